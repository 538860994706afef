"""What becomes of a driver's exceptions."""

import pytest
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
