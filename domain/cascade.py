"""Work with other systems: their users here (im's older list, cascade)."""

from collections.abc import Sequence

import msgspec

from domain.accounts import Accounts
from domain.errors import DomainError, InvalidState, Unavailable, UsernameTaken
from domain.model import Profile
from domain.ports import EventStream
from domain.records import StreamInfo


class UserRow(msgspec.Struct, frozen=True):
    """An account as another system keeps it."""

    username: str
    nickname: str
    is_active: bool = True


class Outcome(msgspec.Struct, frozen=True):
    """Of a synchronisation: how many accounts were made or brought up to date, and which rows were refused, by their
    index."""

    created: int
    updated: int
    errors: dict[int, DomainError]


class Cascade:
    def __init__(self, *, accounts: Accounts, stream: EventStream | None) -> None:
        self._accounts = accounts
        self._stream = stream

    async def stream_info(self) -> StreamInfo | None:
        """Where other systems read messages and events from; None if there is no such stream."""
        return None if self._stream is None else await self._stream.info()

    async def sync_users(self, operator: Profile, rows: Sequence[UserRow | DomainError]) -> Outcome:
        """Makes or changes the account of each row; a row that is refused, or that comes as the reason for it, stops no
        other. Unavailable: some rows may have been applied, and the same call does the rest."""
        counts = {True: 0, False: 0}
        errors: dict[int, DomainError] = {}
        for index, row in enumerate(rows):
            try:
                if isinstance(row, DomainError):
                    raise row
                counts[await self._sync(operator, row)] += 1
            except Unavailable:
                raise
            except DomainError as error:
                errors[index] = error
        return Outcome(counts[True], counts[False], errors)

    async def _sync(self, operator: Profile, row: UserRow) -> bool:
        if row.username.strip() == operator.username and not row.is_active:
            raise InvalidState("administrators cannot deactivate their own account")
        try:
            return await self._accounts.provision(row.username, row.nickname, row.is_active)
        except UsernameTaken:
            # Somebody made it a moment ago.
            return await self._accounts.provision(row.username, row.nickname, row.is_active)
