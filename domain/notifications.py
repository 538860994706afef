"""The notifications of a user: listing, reading, deleting, and how the user wants to be told."""

import re
from collections.abc import Collection
from typing import Any, Final
from zoneinfo import available_timezones

from domain.errors import Forbidden, InvalidValue, RecordNotFound, UserNotFound
from domain.model import Profile
from domain.ports import Clock, NotificationStore, UserStore
from domain.records import NotificationStats, Recipient, RecordFilter, RecordView

_CLOCK_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
GONE: Final = "no such notification"
_QUIET: Final = ("quiet_hours_start", "quiet_hours_end")


class Notifications:
    """Records belong to their recipients: those of others are Forbidden."""

    def __init__(self, *, store: NotificationStore, users: UserStore, clock: Clock) -> None:
        self._store = store
        self._users = users
        self._clock = clock

    async def list_for(
        self, user_id: int, wanted: RecordFilter, *, offset: int, limit: int
    ) -> tuple[list[RecordView], int, int]:
        """The latest first, how many match, and how many are unread at all."""
        now_ms = self._clock.now_ms()
        found, total = await self._store.list_for(user_id, wanted, now_ms, offset=offset, limit=limit)
        return found, total, await self._store.unread(user_id, now_ms)

    async def unread(self, user_id: int) -> int:
        return await self._store.unread(user_id, self._clock.now_ms())

    async def stats(self, user_id: int) -> NotificationStats:
        return await self._store.stats(user_id, self._clock.now_ms())

    async def get(self, reader: Profile, *, record_id: int | None = None, uuid: str | None = None) -> RecordView:
        """By one of the two. Also for who created it and for administrators. RecordNotFound, Forbidden."""
        view = await self._record(reader, record_id, uuid)
        if not _may_manage(reader, view) and view.record.user_id != reader.id:
            raise Forbidden("this notification is somebody else's")
        return view

    async def read(self, reader: Profile, *, record_id: int | None = None, uuid: str | None = None) -> None:
        """RecordNotFound, Forbidden."""
        view = await self._own(reader, record_id, uuid)
        await self._store.mark_read(reader.id, (view.record.id,), self._clock.now_ms())

    async def read_many(self, reader: Profile, record_ids: Collection[int]) -> None:
        """Those that are not the reader's, or are gone, are passed over."""
        await self._store.mark_read(reader.id, record_ids, self._clock.now_ms())

    async def read_all(self, reader: Profile) -> int:
        """How many were unread."""
        return await self._store.mark_read(reader.id, None, self._clock.now_ms())

    async def unread_many(self, reader: Profile, record_ids: Collection[int]) -> None:
        """Makes them unread again, as `read_many`."""
        await self._store.mark_unread(reader.id, record_ids)

    def check_own(self, reader: Profile, view: RecordView) -> None:
        """Forbidden unless the reader is its recipient: reading is nobody else's."""
        if view.record.user_id != reader.id:
            raise Forbidden("this notification is somebody else's")

    async def set_read(self, reader: Profile, record_id: int, is_read: bool) -> None:
        """RecordNotFound, Forbidden."""
        view = await self._own(reader, record_id, None)
        if is_read:
            await self._store.mark_read(reader.id, (view.record.id,), self._clock.now_ms())
        else:
            await self._store.mark_unread(reader.id, (view.record.id,))

    async def delete(self, actor: Profile, *, record_id: int | None = None, uuid: str | None = None) -> None:
        """From its recipient's list: the recipient, who created it, administrators. RecordNotFound, Forbidden."""
        view = await self.get(actor, record_id=record_id, uuid=uuid)
        if not await self._store.delete(view.record.user_id, (view.record.id,), self._clock.now_ms()):
            raise RecordNotFound(GONE)

    async def delete_many(self, actor: Profile, record_ids: Collection[int]) -> None:
        """The actor's own, as `read_many`."""
        await self._store.delete(actor.id, record_ids, self._clock.now_ms())

    async def preferences(self, user_id: int) -> Recipient:
        """UserNotFound."""
        found = await self._store.recipients((user_id,))
        if not found:
            raise UserNotFound
        return found[0]

    async def set_preferences(self, user_id: int, **fields: Any) -> Recipient:
        """Changes fields of the preferences, and `time_zone`, which is the account's. InvalidValue."""
        for name in _QUIET:
            if fields.get(name) is not None and _CLOCK_TIME.fullmatch(fields[name]) is None:
                raise InvalidValue(name, "a time of day from 00:00 to 23:59")
        now_ms = self._clock.now_ms()
        time_zone = fields.pop("time_zone", None)
        if time_zone is not None:
            if time_zone not in available_timezones():
                raise InvalidValue("time_zone", "no time zone of the IANA database")
            await self._users.update(user_id, time_zone=time_zone, updated_at_ms=now_ms)
        await self._store.set_preferences(user_id, now_ms, **fields)
        return await self.preferences(user_id)

    async def _record(self, reader: Profile, record_id: int | None, uuid: str | None) -> RecordView:
        """What is scheduled is none yet for its recipient."""
        view = await self._store.record(record_id=record_id, uuid=uuid)
        if view is None or (view.record.visible_at_ms > self._clock.now_ms() and not _may_manage(reader, view)):
            raise RecordNotFound(GONE)
        return view

    async def _own(self, reader: Profile, record_id: int | None, uuid: str | None) -> RecordView:
        view = await self._record(reader, record_id, uuid)
        self.check_own(reader, view)
        return view


def _may_manage(actor: Profile, view: RecordView) -> bool:
    return actor.is_admin or view.notification.created_by_id == actor.id
