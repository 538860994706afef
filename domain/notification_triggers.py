"""What happens that users should be notified of: messages while they are away, friend requests, broadcasts, and what
happens to them in groups and to their accounts."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from domain.events import BroadcastSent, Event, FriendRequested, GroupNoted, PasswordChanged, RefreshTokenReused
from domain.notification_sending import MAX_TITLE_CHARS, arrived, is_told
from domain.ports import (
    Audience,
    Clock,
    Dispatch,
    Happened,
    NotificationFeed,
    NotificationStore,
    PresenceDirectory,
    Publisher,
    Spoken,
)
from domain.profiles import Profiles
from domain.quiet import is_kind_wanted, plan
from domain.records import Channel, NoticeKind, Notification, NotificationKind, Priority

MAX_NAME_CHARS: Final = 100
MAX_RECIPIENTS: Final = 100
"""Whom one transaction tells of messages: chat commits in between."""

_OF_GROUPS: Final = {
    NoticeKind.INVITED: ("群组邀请", "{operator} 邀请您加入群组 {group}"),
    NoticeKind.APPLIED: ("入群申请", "{target} 申请加入群组 {group}"),
    NoticeKind.APPROVED: ("入群申请已通过", "{operator} 同意了您加入群组 {group} 的申请"),
    NoticeKind.REJECTED: ("入群申请被拒绝", "{operator} 拒绝了您加入群组 {group} 的申请"),
    NoticeKind.KICKED: ("移出群组", "{operator} 将 {target} 移出群组 {group}"),
    NoticeKind.ROLE_SET: ("群组角色变更", "{operator} 更改了 {target} 在群组 {group} 中的角色"),
    NoticeKind.TRANSFERRED: ("群主变更", "{operator} 将群组 {group} 转让给 {target}"),
    NoticeKind.DISMISSED: ("群组解散", "{operator} 解散了群组 {group}"),
    NoticeKind.MUTED: ("群组禁言", "{operator} 在群组 {group} 中禁言了 {target}"),
    NoticeKind.UNMUTED: ("解除禁言", "{operator} 在群组 {group} 中解除了 {target} 的禁言"),
}
"""Of each kind the title and the content. Leaving is nobody's concern but the leaver's."""


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A notification to be made. `up_to_user_id`: for everybody up to this user, not for `user_ids`."""

    kind: NotificationKind
    title: str
    content: str
    priority: Priority = Priority.NORMAL
    channels: tuple[Channel, ...] = tuple(Channel)
    user_ids: Sequence[int] = ()
    conversation_id: int | None = None
    up_to_user_id: int = 0


class NotificationTriggers:
    """Works off what was committed, apart from those who did it: sending a message costs and waits for nothing. What a
    process that was killed had not told of yet, the next one tells, and of several processes one.

    A conversation's messages are one notification to each member without a session who has not muted it, until the
    member reads the notification or the conversation. Its text says who wrote, not what: a recalled message leaves
    nothing behind. Silent messages notify nobody. A broadcast reaches the sockets by itself.
    """

    def __init__(
        self,
        *,
        feed: NotificationFeed,
        store: NotificationStore,
        profiles: Profiles,
        directory: PresenceDirectory,
        bus: Publisher,
        clock: Clock,
        available: Collection[Channel],
    ) -> None:
        self._feed = feed
        self._store = store
        self._profiles = profiles
        self._directory = directory
        self._bus = bus
        self._clock = clock
        self._available = frozenset(available)

    async def work(self) -> bool:
        """Tells of what happened since the last time; whether there is more. Unavailable."""
        happened = await self._feed.next(self._clock.now_ms())
        if happened is None:
            return False
        *first, last = _batches([each for spoken in happened.spoken for each in await self._of_messages(spoken)])
        for batch in first:
            if not await self._tell(happened, batch, is_settled=False):
                return False
        rest = [*_of_groups(happened.notices), *await self._of_events(happened.events)]
        return await self._tell(happened, [*last, *rest], is_settled=True) and not happened.is_all

    async def _of_messages(self, spoken: Spoken) -> list[_Wanted]:
        by_newest = sorted(spoken.senders.items(), key=lambda item: item[1], reverse=True)
        away: dict[int, list[int]] = {}
        for user_id, read_seq in spoken.waiting:
            if self._directory.is_online(user_id):
                continue
            sender_id, seq = next(((sender, seq) for sender, seq in by_newest if sender != user_id), (0, 0))
            if seq > read_seq:
                away.setdefault(sender_id, []).append(user_id)
        senders = await self._profiles.get_many(list(away))
        wanted = []
        for sender_id, user_ids in away.items():
            name = _short(senders[sender_id].nickname) if sender_id in senders else ""
            wanted.append(
                _Wanted(
                    kind=NotificationKind.GROUP_MESSAGE if spoken.is_group else NotificationKind.MESSAGE,
                    title="新的群消息" if spoken.is_group else f"{name} 发来一条新消息",
                    content=f"{name} 在群组中发来一条新消息" if spoken.is_group else "您有一条新消息",
                    user_ids=user_ids,
                    conversation_id=spoken.conversation_id,
                )
            )
        return wanted

    async def _of_events(self, events: Sequence[tuple[Event, int | None]]) -> list[_Wanted]:
        wanted: dict[Event, list[int]] = {}
        everybody: list[BroadcastSent] = []
        for event, user_id in events:
            if user_id is not None:
                wanted.setdefault(event, []).append(user_id)
            elif isinstance(event, BroadcastSent):
                everybody.append(event)
        found = [each for event, user_ids in wanted.items() if (each := _of_event(event, user_ids)) is not None]
        for event in everybody:
            # Not to those who came later, as the list of broadcasts.
            up_to = await self._feed.newest_user_id(event.at_ms)
            found.append(msgspec.structs.replace(_of_broadcast(event), up_to_user_id=up_to))
        return found

    async def _tell(self, happened: Happened, wanted: Sequence[_Wanted], *, is_settled: bool) -> bool:
        """False if another process was first."""
        now_ms = self._clock.now_ms()
        user_ids = {user_id for each in wanted for user_id in each.user_ids}
        recipients = {each.user_id: each for each in await self._store.recipients(user_ids)} if user_ids else {}
        dispatches = []
        for each in wanted:
            notification = _draft(each, now_ms)
            planned = {
                user_id: plan(notification, recipients[user_id], self._available, now_ms)
                for user_id in each.user_ids
                if user_id in recipients and is_kind_wanted(recipients[user_id].preferences, each.kind)
            }
            if planned or each.up_to_user_id:
                dispatches.append(
                    Dispatch(
                        notification=notification,
                        planned=planned,
                        conversation_id=each.conversation_id,
                        up_to_user_id=each.up_to_user_id,
                    )
                )
        if not dispatches and not is_settled:
            return True
        made = await self._feed.tell(happened, dispatches, now_ms, arrived, is_settled=is_settled)
        if made is None:
            return False
        planned_of = {dispatch.notification.uuid: dispatch.planned for dispatch in dispatches}
        for notification, record in made:
            is_due = is_told(planned_of[notification.uuid][record.user_id])
            if is_due and self._directory.is_online(record.user_id):
                self._bus.publish(arrived(notification, record), Audience((record.user_id,)))
        return True


def _batches(wanted: Sequence[_Wanted]) -> list[list[_Wanted]]:
    """With at most MAX_RECIPIENTS in each; at least one."""
    batches: list[list[_Wanted]] = [[]]
    room = MAX_RECIPIENTS
    for each in wanted:
        for part in _parts(each):
            if len(part.user_ids) > room:
                batches.append([])
                room = MAX_RECIPIENTS
            batches[-1].append(part)
            room -= len(part.user_ids)
    return batches


def _parts(wanted: _Wanted) -> Iterator[_Wanted]:
    for start in range(0, len(wanted.user_ids), MAX_RECIPIENTS):
        yield msgspec.structs.replace(wanted, user_ids=wanted.user_ids[start : start + MAX_RECIPIENTS])


def _of_event(event: Event, user_ids: Sequence[int]) -> _Wanted | None:
    match event:
        case FriendRequested():
            text = f"{_short(event.sender.nickname)} 请求添加您为好友"
            kind = NotificationKind.FRIEND_REQUEST
            return _Wanted(kind=kind, title="好友申请", content=text, user_ids=user_ids)
        case BroadcastSent():
            return msgspec.structs.replace(_of_broadcast(event), user_ids=user_ids)
        case PasswordChanged():
            return _of_account("密码已修改", "您的密码已被修改。如非本人操作，请联系管理员", user_ids)
        case RefreshTokenReused():
            text = "您的一个登录凭证被重复使用，该登录已被注销。如非本人操作，请修改密码"
            return _of_account("登录异常", text, user_ids)
    return None


def _of_account(title: str, content: str, user_ids: Sequence[int]) -> _Wanted:
    kind = NotificationKind.SYSTEM
    return _Wanted(kind=kind, title=title, content=content, priority=Priority.HIGH, user_ids=user_ids)


def _of_broadcast(event: BroadcastSent) -> _Wanted:
    return _Wanted(
        kind=NotificationKind.ANNOUNCEMENT,
        title=_line(event.title)[:MAX_TITLE_CHARS],
        content=event.content,
        priority=Priority(event.priority),
        channels=(Channel.EMAIL, Channel.PUSH),
    )


def _of_groups(notices: Sequence[tuple[GroupNoted, Sequence[int]]]) -> list[_Wanted]:
    """What says the same to several is one notification."""
    wanted: dict[tuple[NotificationKind, str, str], dict[int, None]] = {}
    for noted, user_ids in notices:
        notice = noted.notice
        if notice.kind in _OF_GROUPS:
            title, content = _OF_GROUPS[notice.kind]
            names = {"operator": noted.operator.nickname, "target": noted.target.nickname, "group": noted.group_name}
            text = content.format_map({key: _short(name) for key, name in names.items()})
            is_invitation = notice.kind is NoticeKind.INVITED
            kind = NotificationKind.GROUP_INVITE if is_invitation else NotificationKind.SYSTEM
            others = [user_id for user_id in user_ids if user_id != notice.operator_id]
            wanted.setdefault((kind, title, text), {}).update(dict.fromkeys(others))
    return [
        _Wanted(kind=kind, title=title, content=text, user_ids=tuple(user_ids))
        for (kind, title, text), user_ids in wanted.items()
        if user_ids
    ]


def _draft(wanted: _Wanted, now_ms: int) -> Notification:
    """From the server itself."""
    return Notification(
        id=0,
        uuid=str(uuid.uuid4()),
        kind=wanted.kind,
        title=wanted.title,
        content=wanted.content,
        priority=wanted.priority,
        channels=wanted.channels,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _short(name: str) -> str:
    """One line of it."""
    return _line(name)[:MAX_NAME_CHARS]
