"""Making notifications and bringing them into the lists of their recipients, of some users or of all."""

import asyncio
import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

import msgspec

from domain.errors import Forbidden, InvalidState, InvalidValue, RecordNotFound, UserNotFound
from domain.events import Event, NotificationArrived
from domain.model import Profile
from domain.notification_templates import NotificationTemplates, Value
from domain.ports import Audience, Bus, Clock, NotificationContents, NotificationStore, PresenceDirectory
from domain.quiet import is_kind_wanted, plan
from domain.records import (
    Channel,
    DeliveryState,
    FanOut,
    Notification,
    NotificationKind,
    NotificationRecord,
    NotificationView,
    PlannedDelivery,
    Recipient,
    RecordView,
)

MAX_TITLE_CHARS: Final = 200
MAX_CONTENT_CHARS: Final = 10_000
MAX_ACTION_URL_CHARS: Final = 500
MIN_BATCH: Final = 150
MAX_BATCH: Final = 400
"""Users of one transaction of sending to everybody."""
STEP_S: Final = 0.02
"""What such a transaction is to take: chat waits for it."""
REST_S: Final = 0.005
"""After each, for what else there is to do."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Not all that is unprintable to Python: wide spaces and joined emoji belong into a title."""
_SCRIPT_SCHEMES: Final = ("javascript:", "vbscript:", "data:")


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """What to say: a title and a content, or a template and its variables."""

    kind: NotificationKind | None = None
    title: str | None = None
    content: str | None = None
    template_id: int | None = None
    variables: Mapping[str, Value] = {}


class Sent(msgspec.Struct, frozen=True):
    """`records`: those made now. `unknown`: the users that do not exist."""

    records: list[NotificationRecord]
    unknown: tuple[Any, ...] = ()


class NotificationSending:
    """`available` are the channels that this server has."""

    def __init__(
        self,
        *,
        contents: NotificationContents,
        store: NotificationStore,
        templates: NotificationTemplates,
        directory: PresenceDirectory,
        bus: Bus,
        clock: Clock,
        available: Collection[Channel],
    ) -> None:
        self._contents = contents
        self._store = store
        self._templates = templates
        self._directory = directory
        self._bus = bus
        self._clock = clock
        self._available = frozenset(available)
        self._turn = asyncio.Lock()
        self._batch = MIN_BATCH

    async def create(self, creator: Profile, wording: Wording, **fields: Any) -> NotificationView:
        """The content alone, for `send` and `send_to_all`. Administrators: who calls it has seen to that. `fields` are
        those of Notification. InvalidValue, RecordNotFound and InvalidState of the template."""
        return await self._contents.add(await self._compose(creator, wording, **fields))

    async def create_for(self, creator: Profile, user_id: int, wording: Wording, **fields: Any) -> RecordView:
        """Made and sent to one user: oneself, or anybody if the creator is an administrator. Forbidden, UserNotFound,
        and as `create`."""
        if user_id != creator.id and not creator.is_admin:
            raise Forbidden("notifications for others are for administrators")
        records = await self._send(await self._compose(creator, wording, **fields), (user_id,))
        if not records:
            raise UserNotFound
        view = await self._store.record(record_id=records[0].id)
        if view is None:
            raise RecordNotFound("no such notification")
        return view

    async def create_for_many(self, creator: Profile, user_ids: Iterable[int], wording: Wording, **fields: Any) -> Sent:
        """One notification to many, for administrators: who calls it has seen to that. Unknown users are told, the
        others get it. As `create`."""
        wanted = tuple(dict.fromkeys(user_ids))
        records = await self._send(await self._compose(creator, wording, **fields), wanted)
        reached = {record.user_id for record in records}
        return Sent(records, tuple(user_id for user_id in wanted if user_id not in reached))

    async def get(self, notification_uuid: str) -> NotificationView:
        """RecordNotFound."""
        view = await self._contents.get(notification_uuid)
        if view is None:
            raise RecordNotFound("no such notification")
        return view

    async def list_all(self, *, offset: int, limit: int) -> tuple[list[NotificationView], int]:
        """What somebody created, newest first, and how many there are."""
        return await self._contents.list_all(offset=offset, limit=limit)

    async def edit(self, view: NotificationView | RecordView, editor: Profile, **fields: Any) -> None:
        """Changes the content in all lists: who created it, and administrators. Forbidden, InvalidValue, InvalidState,
        RecordNotFound."""
        now_ms = self._clock.now_ms()
        notification = view.notification
        if not editor.is_admin and notification.created_by_id != editor.id:
            raise Forbidden("the content is its creator's to change")
        changed = msgspec.structs.replace(notification, **fields)
        if changed.scheduled_at_ms != notification.scheduled_at_ms and (notification.scheduled_at_ms or 0) <= now_ms:
            raise InvalidState("it has been delivered, its time cannot change")
        check(changed)
        if fields and await self._contents.update(notification.id, now_ms, **fields) is None:
            raise RecordNotFound("no such notification")

    async def delete(self, notification_uuid: str) -> None:
        """For all who received it. RecordNotFound."""
        view = await self.get(notification_uuid)
        if not await self._contents.delete(view.notification.id):
            raise RecordNotFound("no such notification")

    async def send(self, notification_uuid: str, user_uuids: Iterable[str]) -> Sent:
        """To users who have not got it yet. Unknown ones are told. RecordNotFound."""
        view = await self.get(notification_uuid)
        wanted = tuple(dict.fromkeys(user_uuids))
        known = await self._contents.user_ids(wanted)
        records = await self._send(view.notification, list(known.values()))
        return Sent(records, tuple(each for each in wanted if each not in known))

    async def send_to_all(self, notification_uuid: str) -> FanOut:
        """Begins sending to all active users; `advance` does it, here or in any process. RecordNotFound."""
        view = await self.get(notification_uuid)
        return await self._contents.start_fan_out(view.notification.id, self._clock.now_ms())

    async def advance(self, fan_out: FanOut) -> FanOut:
        """The next users; as far as it has come."""
        now_ms = self._clock.now_ms()
        planned: dict[int, Sequence[PlannedDelivery]] = {}

        def plan_all(notification: Notification, page: Sequence[Recipient]) -> Mapping[int, Sequence[PlannedDelivery]]:
            # The server's own are for those who want them; an administrator's are in every list.
            is_own = notification.created_by_id is None
            planned.clear()
            for each in page:
                if not is_own or is_kind_wanted(each.preferences, notification.kind):
                    planned[each.user_id] = plan(notification, each, self._available, now_ms)
            return planned

        async with self._turn:
            began = perf_counter()
            made = await self._contents.advance(fan_out.id, self._batch, now_ms, plan_all, arrived)
            if made is None:
                # Another process is at it, or the notification was deleted.
                await asyncio.sleep(REST_S)
                moved = await self._contents.fan_out(fan_out.id)
                return moved or msgspec.structs.replace(fan_out, reached_user_id=fan_out.up_to_user_id)
            took_s = perf_counter() - began
            moved, notification, records = made
            self._tell(notification, records, planned)
            self._batch = max(MIN_BATCH, min(MAX_BATCH, int(self._batch * min(2.0, STEP_S / took_s))))
            await asyncio.sleep(REST_S)
            return moved

    async def work(self) -> bool:
        """One step of the oldest unfinished fan-out; whether there was one."""
        fan_out = await self._contents.unfinished_fan_out()
        if fan_out is None:
            return False
        await self.advance(fan_out)
        return True

    async def progress(self, notification_uuid: str) -> tuple[list[FanOut], dict[tuple[str, str], int]]:
        """Its fan-outs, and how many deliveries are in which state by channel. RecordNotFound."""
        view = await self.get(notification_uuid)
        notification_id = view.notification.id
        return await self._contents.fan_outs(notification_id), await self._contents.delivery_counts(notification_id)

    async def _compose(self, creator: Profile, wording: Wording, **fields: Any) -> Notification:
        kind, title, content = wording.kind, wording.title, wording.content
        if wording.template_id is not None:
            filled = await self._templates.filled(wording.template_id, wording.variables)
            kind, title, content = kind or filled[0], title or filled[1], content or filled[2]
        now_ms = self._clock.now_ms()
        draft = Notification(
            id=0,
            uuid=str(uuid.uuid4()),
            kind=kind or NotificationKind.SYSTEM,
            title=title or "",
            content=content or "",
            created_by_id=creator.id,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            **fields,
        )
        check(draft)
        return draft

    async def _send(self, notification: Notification, user_ids: Sequence[int]) -> list[NotificationRecord]:
        """One with an id of 0 is added first, unless it is for nobody."""
        to = await self._store.recipients(user_ids)
        if not to:
            return []
        now_ms = self._clock.now_ms()
        planned = {each.user_id: plan(notification, each, self._available, now_ms) for each in to}
        records = await self._contents.send(notification, planned, now_ms, arrived) or []
        self._tell(notification, records, planned)
        return records

    def _tell(
        self,
        notification: Notification,
        records: Iterable[NotificationRecord],
        planned: Mapping[int, Sequence[PlannedDelivery]],
    ) -> None:
        for record in records:
            if self._directory.is_online(record.user_id) and is_told(planned[record.user_id]):
                self._bus.publish(arrived(notification, record), Audience((record.user_id,)))


def is_told(planned: Iterable[PlannedDelivery]) -> bool:
    """Whether the user's sessions hear of it at once."""
    return any(each.channel is Channel.WEBSOCKET and each.state is DeliveryState.DELIVERED for each in planned)


def arrived(notification: Notification, record: NotificationRecord) -> Event:
    return NotificationArrived(
        record.id,
        notification.kind.value,
        notification.title,
        notification.content,
        notification.priority.value,
        notification.action_url,
        record.created_at_ms,
    )


def check(notification: Notification) -> None:
    """InvalidValue."""
    for field, text, limit in (
        ("title", notification.title, MAX_TITLE_CHARS),
        ("content", notification.content, MAX_CONTENT_CHARS),
    ):
        if not text.strip() or len(text) > limit:
            raise InvalidValue(field, f"1 to {limit} characters")
    if _CONTROL.search(notification.title):
        raise InvalidValue("title", "one line without control characters")
    url = notification.action_url or ""
    if len(url) > MAX_ACTION_URL_CHARS or not url.isprintable():
        raise InvalidValue("action_url", f"at most {MAX_ACTION_URL_CHARS} printable characters")
    if url.strip().lower().startswith(_SCRIPT_SCHEMES):
        raise InvalidValue("action_url", "must lead somewhere, not run something")
    if not notification.channels:
        raise InvalidValue("channels", "names none")
    if notification.expires_at_ms is not None and notification.expires_at_ms <= (notification.scheduled_at_ms or 0):
        raise InvalidValue("expires_at", "would expire before it is delivered")
