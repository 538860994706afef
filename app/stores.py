"""Opens what the configuration names: the database, and what processes share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.config import Config
from app.data_dir import DataDir
from app.errors import SetupError
from domain.ports import Bus, Clock, EventStream, PresenceDirectory, RateLimiter, ShortCodes
from storage import MysqlStores, SqliteStores, StoreError, open_mysql, open_sqlite
from storage.inprocess.bus import InProcessBus
from storage.inprocess.codes import InProcessShortCodes
from storage.inprocess.limits import InProcessRateLimiter
from storage.inprocess.presence import InProcessPresenceDirectory

if TYPE_CHECKING:
    from storage.redis import RedisServices

Stores = SqliteStores | MysqlStores


async def start_stores(config: Config, data_dir: DataDir, *, migrate: bool) -> Stores:
    """The database, at the schema of this program: brought to it if `migrate`. SetupError."""
    try:
        if config.database.is_mysql:
            mysql = open_mysql(config.database.url)
            await mysql.start(migrate=migrate)
            return mysql
        embedded = open_sqlite(data_dir.database)
        await embedded.start()
    except StoreError as error:
        raise SetupError(str(error)) from error
    return embedded


@dataclass(frozen=True, slots=True)
class Shared:
    """What all processes of the service have in common besides the database. Handlers subscribe to the bus before
    `start`."""

    bus: Bus
    directory: PresenceDirectory
    limiter: RateLimiter
    codes: ShortCodes
    stream: EventStream | None = None
    redis: "RedisServices | None" = None

    async def start(self) -> None:
        """SetupError."""
        try:
            await (self.redis or self.bus).start()
        except StoreError as error:
            raise SetupError(str(error)) from error

    async def close(self) -> None:
        await (self.redis or self.bus).close()


def shared_within_process() -> Shared:
    return Shared(InProcessBus(), InProcessPresenceDirectory(), InProcessRateLimiter(), InProcessShortCodes())


def shared_over_redis(config: Config, node: str, clock: Clock) -> Shared:
    """SetupError for a URL that is none."""
    # Its client takes a quarter of a second to import.
    from storage.redis import RedisServices

    try:
        redis = RedisServices(config.redis.url, node, clock)
    except StoreError as error:
        raise SetupError(str(error)) from error
    return Shared(redis.bus, redis.presence, redis.limiter, redis.codes, redis.stream, redis)
