"""What becomes of a driver's exceptions."""

import asyncio
from types import SimpleNamespace

import aiomysql
import pytest
import uvloop
from pymysql import err

from domain.errors import InvalidValue, Unavailable
from storage.sql.errors import ConnectionLost, TransactionLost, UniqueViolation, translated


@pytest.mark.parametrize(
    ("number", "ours"),
    [
        (1213, TransactionLost),
        (1205, TransactionLost),
        (2006, ConnectionLost),
        (2013, ConnectionLost),
        (1053, ConnectionLost),
        (1114, Unavailable),
        (1021, Unavailable),
        (1290, Unavailable),
        (1040, Unavailable),
        (1045, Unavailable),
        (1406, InvalidValue),
        (1264, InvalidValue),
        (1366, InvalidValue),
    ],
)
def test_numbers_of_mysql(number: int, ours: type[Exception]) -> None:
    assert type(translated(err.OperationalError(number, "text"))) is ours


def test_a_mistake_of_ours_stays_what_it_is() -> None:
    mistake = err.ProgrammingError(1064, "You have an error in your SQL syntax")
    assert translated(mistake) is mistake


@pytest.mark.parametrize("key", ["uq_users_username_key", "users.uq_users_username_key"])
def test_a_violation_names_the_key_and_not_the_value(key: str) -> None:
    """The value is the client's: it must not be taken for the name of a key."""
    text = f"Duplicate entry 'a for key email_key\n' for key '{key}'"
    violation = translated(err.IntegrityError(1062, text))
    assert isinstance(violation, UniqueViolation)
    assert str(violation) == f"'{key}'"


def test_a_driver_that_lost_its_connection_has_no_number() -> None:
    assert type(translated(err.InterfaceError("(0, 'Not connected')"))) is ConnectionLost


async def _write_to_a_reset_connection() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            async with asyncio.timeout(10):
                while True:
                    writer.write(b"x")
                    await asyncio.sleep(0)
        finally:
            writer.close()


def test_a_write_to_a_connection_that_uvloop_has_closed_is_a_lost_connection() -> None:
    """Drivers do not catch it: it is no OSError there."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with pytest.raises(RuntimeError) as caught:
            runner.run(_write_to_a_reset_connection())
    assert isinstance(translated(caught.value), ConnectionLost)


def test_any_other_runtime_error_is_a_mistake() -> None:
    mistake = RuntimeError("generator raised StopIteration")
    assert translated(mistake) is mistake


async def test_a_connection_that_was_reset_while_it_was_opened_is_lost() -> None:
    """What aiomysql makes of it, which is no error of a driver."""
    connection = aiomysql.Connection()
    reset = SimpleNamespace(pause_reading=lambda: None, get_extra_info=lambda name, default: default)
    connection._writer = SimpleNamespace(transport=reset)
    with pytest.raises(RuntimeError) as raised:
        connection._set_keep_alive()
    connection._writer = None
    assert type(translated(raised.value)) is ConnectionLost
