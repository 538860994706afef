"""What happens that users should be notified of: friend requests, invitations, messages while they are away."""

from collections import deque
from typing import Final

from domain.events import Event, FriendRequested, GroupNoted, MessageSent, ReceiptMarked
from domain.notification_sending import MAX_TITLE_CHARS, NotificationSending
from domain.ports import Audience, Clock, NotificationStore, PresenceDirectory, Publisher
from domain.records import NoticeKind, NotificationKind

MAX_NAME_CHARS: Final = 100


class NotificationTriggers:
    """Stands before the bus and sees what the use cases of this process publish. Publishing only notes it: `work`
    writes afterwards, so that sending a message waits for nothing.

    A conversation's messages are one notification to each member without a session who has not muted it, until the
    member reads the notification or the conversation. Its text says who wrote, not what: a recalled message leaves
    nothing behind. Silent messages notify nobody.
    """

    def __init__(
        self,
        *,
        bus: Publisher,
        sending: NotificationSending,
        store: NotificationStore,
        directory: PresenceDirectory,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._sending = sending
        self._store = store
        self._directory = directory
        self._clock = clock
        self._asked: deque[tuple[NotificationKind, str, str, int]] = deque()
        self._sent: dict[int, tuple[MessageSent, Audience]] = {}
        self._read: dict[tuple[int, int], int] = {}

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        self._bus.publish(event, audience, origin)
        if isinstance(event, MessageSent):
            if not event.message.is_silent:
                self._sent[event.message.conversation_id] = event, audience
        elif isinstance(event, ReceiptMarked):
            if event.read_seq:
                self._read[event.conversation_id, event.user_id] = event.read_seq
        elif isinstance(event, FriendRequested):
            text = f"{_short(event.sender.nickname)} 请求添加您为好友"
            self._asked.append((NotificationKind.FRIEND_REQUEST, "好友申请", text, event.request.to_user_id))
        elif isinstance(event, GroupNoted) and event.notice.kind is NoticeKind.INVITED:
            text = f"{_short(event.operator.nickname)} 邀请您加入群组 {_short(event.group_name)}"
            self._asked.append((NotificationKind.GROUP_INVITE, "群组邀请", text, event.target.id))

    async def work(self) -> bool:
        """Writes what was noted; what cannot be written now is kept. Unavailable."""
        while self._asked:
            kind, title, text, user_id = self._asked[0]
            await self._sending.notify((user_id,), kind, title, text)
            self._asked.popleft()
        read = dict(self._read)
        if read:
            await self._store.conversations_read(read.keys(), self._clock.now_ms())
        for conversation_id, (event, audience) in list(self._sent.items()):
            await self._tell_of_message(event, audience, read)
            if self._sent[conversation_id][0] is event:
                del self._sent[conversation_id]
        for pair, seq in read.items():
            if self._read[pair] == seq:
                del self._read[pair]
        return False

    async def _tell_of_message(self, event: MessageSent, audience: Audience, read: dict[tuple[int, int], int]) -> None:
        message = event.message
        away = [
            user_id
            for user_id in audience.user_ids
            if user_id != message.sender_id
            and not self._directory.is_online(user_id)
            and read.get((message.conversation_id, user_id), 0) < message.seq
        ]
        waiting = await self._store.without_word(message.conversation_id, away) if away else []
        if not waiting:
            return
        is_group = event.recipient_id is None
        kind = NotificationKind.GROUP_MESSAGE if is_group else NotificationKind.MESSAGE
        text = f"{_short(event.sender.nickname)} 在群组中发来一条新消息" if is_group else "您有一条新消息"
        title = "新的群消息" if is_group else f"{_short(event.sender.nickname)} 发来一条新消息"
        await self._sending.notify(waiting, kind, title[:MAX_TITLE_CHARS], text, message.conversation_id)


def _short(name: str) -> str:
    """One line of it."""
    return "".join(each if each.isprintable() else " " for each in name)[:MAX_NAME_CHARS]
