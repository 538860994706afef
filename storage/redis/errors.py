"""What can be wrong with Redis, and how the client's exceptions become ours: once, here.

RedisUnusable           Redis cannot be used at all; the server does not start
├── TooOld              before 6.2
└── NameTaken           another live process has this node name

LinkLost                never leaves this package
"""

from typing import Final

from redis import exceptions as redis_errors

from storage.sql.errors import StoreError

CLIENT_ERRORS: Final = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError, TimeoutError)
"""What a command may raise because of Redis or the way to it."""

WRONG_DATABASE: Final = ("out of range", "invalid db index", "not allowed in cluster mode")


class RedisUnusable(StoreError):
    """Base: the sentence is for the administrator and holds no password."""


class TooOld(RedisUnusable):
    pass


class NameTaken(RedisUnusable):
    pass


def reason(error: BaseException) -> str:
    """One of `CLIENT_ERRORS` in words, without anything that was sent to Redis."""
    text = str(error)
    if isinstance(error, (redis_errors.AuthenticationError, redis_errors.AuthorizationError)) or text.startswith(
        ("WRONGPASS", "NOAUTH")
    ):
        return "it refuses the user name or the password"
    if isinstance(error, redis_errors.NoPermissionError) or text.startswith("NOPERM"):
        return "its user may not run the commands that the server needs (ACL)"
    if isinstance(error, redis_errors.OutOfMemoryError) or text.startswith("OOM"):
        return "it is out of memory (maxmemory)"
    if isinstance(error, redis_errors.ReadOnlyError) or text.startswith("READONLY"):
        return "it is a read-only replica"
    if isinstance(error, redis_errors.BusyLoadingError) or text.startswith("LOADING"):
        return "it is still loading its data"
    if isinstance(error, redis_errors.ResponseError) and any(part in text.lower() for part in WRONG_DATABASE):
        return "it has no database of this number"
    if isinstance(error, (redis_errors.ClusterError, redis_errors.RedisClusterException)):
        return "the cluster cannot be reached, or is not whole"
    if isinstance(error, (redis_errors.TimeoutError, TimeoutError)):
        return "it does not answer"
    if isinstance(error, (redis_errors.ConnectionError, OSError)):
        return "it cannot be reached"
    return f"it refuses a command ({text.partition(' ')[0] or type(error).__name__})"


class LinkLost(Exception):
    """A stream link is gone, or Redis refuses its commands; `str()` says why."""

    @classmethod
    def because(cls, reply: Exception) -> "LinkLost":
        return cls(reason(redis_errors.ResponseError(str(reply))))
