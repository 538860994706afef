"""Accounts for the commands that administrate: beside a server that may be running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.clock import SystemClock
from app.config import Config
from app.data_dir import DataDir
from app.file_service import FileService
from app.stores import shared_within_process, start_stores
from app.tasks import Tasks
from app.use_cases import UseCases
from domain.accounts import Accounts


@asynccontextmanager
async def administration(config: Config, data_dir: DataDir) -> AsyncIterator[Accounts]:
    """What changes is in the database; the caches of running servers learn of it when they restart. SetupError."""
    stores = await start_stores(config, data_dir, migrate=config.database.migrate)
    tasks, clock = Tasks(), SystemClock()
    files = FileService(config, data_dir, stores.files, clock)
    try:
        use_cases = UseCases(
            config=config,
            secret_key=config.server.secret_key.encode() or data_dir.secret_key(),
            stores=stores,
            shared=shared_within_process(),
            files=files.files,
            clock=clock,
            spawn=tasks.spawn,
        )
        try:
            yield use_cases.accounts
        finally:
            use_cases.passwords.close()
    finally:
        await files.close()
        await stores.close()


async def prepare(config: Config, data_dir: DataDir) -> None:
    """What is done once before processes serve: the database's schema, and the administrator that is configured.
    SetupError, DomainError."""
    async with administration(config, data_dir) as accounts:
        if config.server.admin_password:
            await accounts.ensure_admin(config.server.admin_password)
