"""Commands on the database as such: migrate it, or say that it was restored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.config import Config
from app.data_dir import DataDir
from app.errors import SetupError
from app.stores import start_stores
from storage import DoctorStore, StoreError, open_mysql_doctor, open_sqlite_doctor
from storage.sql import migrations


@asynccontextmanager
async def opened(config: Config, *, alone: bool) -> AsyncIterator[DoctorStore]:
    """The database of the configuration, with whatever schema it has. `alone`: not beside a server on the same SQLite.
    SetupError."""
    data_dir = DataDir(config.server.data_dir)
    if alone and not config.database.is_mysql:
        data_dir.lock()
    try:
        doctor = _doctor(config, data_dir)
        try:
            yield doctor
        finally:
            await doctor.close()
    except StoreError as error:
        raise SetupError(str(error)) from error
    finally:
        data_dir.unlock()


def _doctor(config: Config, data_dir: DataDir) -> DoctorStore:
    if config.database.is_mysql:
        return open_mysql_doctor(config.database.url)
    if not data_dir.database.exists():
        raise SetupError(f"there is no database {data_dir.database} yet; `serve` or `migrate` makes it")
    return open_sqlite_doctor(data_dir.database)


async def migrate(config: Config, revision: str | None, *, is_loss_accepted: bool) -> str:
    """To the schema of this program or to `revision`; a sentence of what was done. SetupError."""
    if revision is None:
        await _to_this_version(config)
        return f"the database has schema version {migrations.head()}"
    async with opened(config, alone=True) as database:
        before = await database.revision() or "base"
        order = migrations.revisions()
        if revision in order and order.index(revision) < order.index(before) and not is_loss_accepted:
            raise SetupError(
                f"going back from schema version {before} to {revision} loses what only the newer one can hold; make a "
                "backup and say --yes"
            )
        await database.migrate(revision)
    return f"the database has schema version {revision}"


async def _to_this_version(config: Config) -> None:
    data_dir = DataDir(config.server.data_dir)
    if not config.database.is_mysql:
        data_dir.lock()
    try:
        await (await start_stores(config, data_dir, migrate=True)).close()
    finally:
        data_dir.unlock()


async def new_epoch(config: Config) -> str:
    """SetupError while a server runs on a SQLite. With MySQL the caller has stopped all processes."""
    async with opened(config, alone=True) as database:
        return await database.new_epoch()
