"""Sending, changing and reading messages: the rules, for every dialect and transport."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from domain.answer import answer
from domain.errors import (
    DomainError,
    InvalidState,
    InvalidValue,
    MessageNotFound,
    NotFriends,
    NotYourMessage,
    RecallWindowOver,
    Unavailable,
    UnsupportedType,
)
from domain.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
    MessageSent,
    ReceiptMarked,
    Typing,
)
from domain.model import (
    FILE_KINDS,
    Draft,
    FileRef,
    Location,
    Message,
    MessageKind,
    MessageState,
    Profile,
    Receipt,
    Role,
)
from domain.ports import (
    AppendDone,
    Appended,
    Audience,
    Clock,
    Mark,
    Marked,
    MarkLog,
    MessageLog,
    MessageStore,
    Publisher,
)
from domain.rosters import Roster, Rosters, Seat

MAX_CLIENT_MSG_ID_CHARS: Final = 64
MAX_TTL_S: Final = 365 * 86_400
MAX_SCHEDULED_MS: Final = 365 * 86_400_000
RECEIPTS_PUSHED_UP_TO_MEMBERS: Final = 100
"""In larger groups a read mark is pushed to the reader's own devices only: pushing each of n marks to n members
would cost n² deliveries a message. Receipts are stored and can be asked for all the same."""


class MessageLimits(msgspec.Struct, frozen=True):
    max_content_chars: int = 5000
    recall_window_s: int = 120
    require_friendship: bool = False
    """Only friends may write each other in private."""


class Messages:
    def __init__(
        self,
        *,
        log: MessageLog,
        marks: MarkLog,
        store: MessageStore,
        rosters: Rosters,
        bus: Publisher,
        clock: Clock,
        limits: MessageLimits,
    ) -> None:
        self._log = log
        self._marks = marks
        self._store = store
        self._rosters = rosters
        self._bus = bus
        self._clock = clock
        self._limits = limits

    def submit(self, sender: Profile, draft: Draft, done: AppendDone, origin: object | None = None) -> None:
        """Sends a message. The hot path: synchronous, no task.

        `done` is called once, with the committed message or the reason of the refusal; the fan-out comes after it.
        Drafts for one conversation are appended in the order in which they were submitted. `origin` is the session
        that sent it, which is left out of the fan-out.
        """
        roster = self._rosters.peek(draft.conversation_id)
        if roster is not None:
            self._append(roster, sender, draft, done, origin)
        else:
            self._rosters.when_loaded(
                draft.conversation_id, lambda outcome: self._append(outcome, sender, draft, done, origin)
            )

    async def send(self, sender: Profile, draft: Draft) -> Appended:
        """`submit` for those who wait. Raises what `submit` would answer."""
        return await answer(lambda done: self.submit(sender, draft, done))

    def _append(
        self, roster: Roster | DomainError, sender: Profile, draft: Draft, done: AppendDone, origin: object | None
    ) -> None:
        try:
            if isinstance(roster, DomainError):
                raise roster
            seat = self.check_may_write(roster, sender.id)
            self._check(draft)
        except DomainError as error:
            done(error)
            return
        if draft.reply_to_id is not None and seat.visible_after_seq:
            draft = msgspec.structs.replace(draft, visible_after_seq=seat.visible_after_seq)

        recipient_id = roster.other(sender.id)

        def committed(outcome: Appended | DomainError) -> None:
            done(outcome)
            if isinstance(outcome, Appended) and not outcome.duplicate and not outcome.message.is_scheduled:
                event = MessageSent(outcome.message, sender, recipient_id)
                self.announce(draft.conversation_id, event, origin, before=roster)

        self._log.append(draft, committed)

    def check_may_write(self, roster: Roster, user_id: int) -> Seat:
        """NotAMember, Muted, Blocked, NotFriends."""
        seat = roster.speaking_seat(user_id, self._clock.now_ms())
        if self._limits.require_friendship and not roster.are_friends and not roster.is_group:
            raise NotFriends
        return seat

    async def tell(self, about: Profile, draft: Draft) -> None:
        """Appends what the system has to say of somebody; it is nobody's to refuse. Telling it again stores nothing
        new. ConversationNotFound, Unavailable."""
        appended: Appended = await answer(lambda done: self._log.append(draft, done))
        if not appended.duplicate:
            roster = await self._rosters.get(draft.conversation_id)
            self.announce(draft.conversation_id, MessageSent(appended.message, about, roster.other(about.id)))

    def _check(self, draft: Draft) -> None:
        """InvalidValue, UnsupportedType."""
        key = draft.client_msg_id
        # Databases compare texts with a NUL in different ways, so a retry might not find its first message.
        if key is not None and (not 0 < len(key) <= MAX_CLIENT_MSG_ID_CHARS or "\0" in key):
            raise InvalidValue("client_msg_id", f"1 to {MAX_CLIENT_MSG_ID_CHARS} characters, none of them NUL")
        if len(draft.content) > self._limits.max_content_chars:
            raise InvalidValue("content", f"at most {self._limits.max_content_chars} characters")
        if not 0 <= draft.ttl_s <= MAX_TTL_S:
            raise InvalidValue("ttl", f"0 to {MAX_TTL_S} seconds")
        if draft.send_at_ms is not None:
            wait_ms = draft.send_at_ms - self._clock.now_ms()
            if not 0 < wait_ms <= MAX_SCHEDULED_MS:
                raise InvalidValue("send_at", "in the future, and within a year")
        if draft.file_id is not None and draft.kind not in FILE_KINDS:
            raise InvalidValue("file_id", f"messages of kind {draft.kind.value} carry no file")
        if draft.kind is MessageKind.TEXT:
            if not draft.content:
                raise InvalidValue("content", "must not be empty")
        elif draft.kind is MessageKind.LOCATION:
            if not isinstance(draft.attachment, Location):
                raise InvalidValue("latitude", "a location needs latitude and longitude")
            check_location(draft.attachment)
        elif draft.kind in FILE_KINDS:
            if draft.file_id is None and draft.attachment is None and not draft.content:
                raise InvalidValue("content", "a file, or the link to one, is required")
        else:
            raise UnsupportedType(f"messages of kind {draft.kind.value} cannot be sent")

    def announce(
        self, conversation_id: int, event: Event, origin: object | None = None, *, before: Roster | None = None
    ) -> None:
        """Publishes to the members as they are now; to nobody if the conversation is gone. To those of a moment
        `before` if it cannot be found out who they are now: what was committed is told."""

        def publish(roster: Roster | DomainError) -> None:
            if isinstance(roster, Unavailable) and before is not None:
                roster = before
            if isinstance(roster, Roster):
                self._bus.publish(event, roster.audience, origin)

        self._rosters.when_loaded(conversation_id, publish)

    async def visible(self, user_id: int, message_id: int) -> Message:
        """A message that the user may read. MessageNotFound, NotAMember."""
        message = await self._store.get(message_id)
        if message is None:
            raise MessageNotFound
        await self._seat_for(user_id, message)
        if await self._store.is_hidden(user_id, message):
            raise MessageNotFound
        return message

    async def hide(self, user: Profile, message_id: int) -> None:
        """Deletes a message for oneself alone, on all of one's devices. MessageNotFound, NotAMember."""
        message = await self.visible(user.id, message_id)
        event = MessageDeleted(message, user.id, False, self._clock.now_ms())
        await self._store.hide(user.id, message, event)
        self._bus.publish(event, Audience((user.id,), message.conversation_id))

    async def _seat_for(self, user_id: int, message: Message) -> tuple[Roster, Seat]:
        roster = await self._rosters.get(message.conversation_id)
        seat = roster.seat(user_id)
        if message.is_scheduled:
            if message.sender_id != user_id:
                raise MessageNotFound
        elif message.seq <= seat.visible_after_seq:
            raise MessageNotFound
        return roster, seat

    async def edit(self, editor: Profile, message_id: int, content: str | None) -> Message:
        """Replaces the text of one's own message; None leaves it as it is. It speaks to the others, so who may not
        send may not edit. MessageNotFound, NotAMember, Muted, Blocked, Forbidden, InvalidState, InvalidValue."""
        if content is not None and not 0 < len(content) <= self._limits.max_content_chars:
            raise InvalidValue("content", f"1 to {self._limits.max_content_chars} characters")
        async with self._store.edit(message_id) as edit:
            roster, _ = await self._seat_for(editor.id, edit.message)
            if edit.message.sender_id != editor.id:
                raise NotYourMessage("only the sender may edit a message")
            self.check_may_write(roster, editor.id)
            if edit.message.is_gone:
                raise InvalidState("the message was recalled or deleted")
            if edit.message.kind is not MessageKind.TEXT:
                raise InvalidState("only text messages can be edited")
            if content is None:
                return edit.message
            if edit.message.is_scheduled:
                return edit.set(None, content=content, updated_at_ms=self._later(edit.message))
            message = edit.set(
                lambda new: MessageEdited(new, editor),
                content=content,
                state=MessageState.EDITED,
                updated_at_ms=self._later(edit.message),
            )
        self.announce(message.conversation_id, MessageEdited(message, editor), before=roster)
        return message

    async def recall(self, operator: Profile, message_id: int) -> Message:
        """Takes a message back for everyone: its sender within the recall window, owner and admins of a group at
        any time. Recalling what is gone changes nothing. MessageNotFound, NotAMember, Forbidden, RecallWindowOver."""
        now_ms = self._clock.now_ms()

        def allowed(message: Message, role: Role, is_group: bool) -> None:
            if is_group and role is not Role.MEMBER:
                return
            if message.sender_id != operator.id:
                raise NotYourMessage("only its sender, or the owner or an admin of the group, may recall a message")
            if now_ms - message.created_at_ms > self._limits.recall_window_s * 1000:
                raise RecallWindowOver

        return await self._remove(
            operator,
            message_id,
            MessageState.RECALLED,
            allowed,
            lambda message: MessageRecalled(message, operator.id, now_ms),
            now_ms,
        )

    async def delete(self, operator: Profile, message_id: int) -> Message:
        """Deletes a message for everyone: its sender, owner and admins of a group. MessageNotFound, NotAMember,
        Forbidden."""
        now_ms = self._clock.now_ms()

        def allowed(message: Message, role: Role, is_group: bool) -> None:
            if message.sender_id != operator.id and not (is_group and role is not Role.MEMBER):
                raise NotYourMessage("only its sender, or the owner or an admin of the group, may delete a message")

        return await self._remove(
            operator,
            message_id,
            MessageState.DELETED,
            allowed,
            lambda message: MessageDeleted(message, operator.id, True, now_ms),
            now_ms,
        )

    def _later(self, message: Message) -> int:
        """The time of its next change: later than the last, so that who hears of several knows the newest."""
        return max(self._clock.now_ms(), message.updated_at_ms + 1)

    async def _remove(
        self,
        operator: Profile,
        message_id: int,
        state: MessageState,
        allowed: Callable[[Message, Role, bool], None],
        event: Callable[[Message], Event],
        now_ms: int,
    ) -> Message:
        async with self._store.edit(message_id) as edit:
            roster, seat = await self._seat_for(operator.id, edit.message)
            allowed(edit.message, seat.role, roster.is_group)
            if edit.message.is_gone:
                return edit.message
            gone = {
                "content": "",
                "attachment": None,
                "is_pinned": False,
                "state": state,
                "updated_at_ms": self._later(edit.message),
            }
            if edit.message.is_scheduled:
                return edit.set(None, **gone)
            message = edit.set(event, **gone)
        self.announce(message.conversation_id, event(message), before=roster)
        return message

    async def pin(self, operator: Profile, message_id: int, pinned: bool) -> Message:
        """Any member may pin. MessageNotFound, NotAMember, InvalidState."""
        now_ms = self._clock.now_ms()

        def event(message: Message) -> Event:
            return MessagePinned(message, operator.id, now_ms)

        async with self._store.edit(message_id) as edit:
            roster, _ = await self._seat_for(operator.id, edit.message)
            if edit.message.is_gone or edit.message.is_scheduled:
                raise InvalidState("the message was recalled or deleted, or waits for its time")
            if edit.message.is_pinned == pinned:
                return edit.message
            message = edit.set(event, is_pinned=pinned, updated_at_ms=self._later(edit.message))
        self.announce(message.conversation_id, event(message), before=roster)
        return message

    async def history(
        self,
        user_id: int,
        conversation_id: int,
        *,
        limit: int,
        before_seq: int | None = None,
        after_seq: int | None = None,
    ) -> tuple[list[Message], bool]:
        """Ascending: the newest before `before_seq`, or the oldest after `after_seq`; and whether there are more
        in that direction. ConversationNotFound, NotAMember."""
        seat = (await self._rosters.get(conversation_id)).seat(user_id)
        floor = max(seat.visible_after_seq, after_seq or 0)
        return await self._store.history(
            user_id, conversation_id, after_seq=floor, before_seq=before_seq, limit=limit, newest=after_seq is None
        )

    async def history_by_offset(self, user_id: int, conversation_id: int, *, offset: int, limit: int) -> list[Message]:
        """Ascending, without the first `offset` (im's older list). ConversationNotFound, NotAMember."""
        seat = (await self._rosters.get(conversation_id)).seat(user_id)
        return await self._store.history_page(
            user_id, conversation_id, after_seq=seat.visible_after_seq, offset=offset, limit=limit
        )

    async def place(self, user_id: int, conversation_id: int, message_id: int) -> int:
        """The seq of the message that a cursor names. InvalidValue if the user sees none such in this conversation;
        ConversationNotFound, NotAMember."""
        seat = (await self._rosters.get(conversation_id)).seat(user_id)
        message = await self._store.get(message_id)
        if message is None or message.conversation_id != conversation_id or message.seq <= seat.visible_after_seq:
            raise InvalidValue("cursor", "names no message of this conversation")
        return message.seq

    async def unread(self, user_id: int, conversation_id: int | None = None) -> int:
        """ConversationNotFound, NotAMember."""
        if conversation_id is not None:
            (await self._rosters.get(conversation_id)).seat(user_id)
        return await self._store.unread(user_id, conversation_id)

    async def receipts(self, user_id: int, message_id: int) -> list[Receipt]:
        """MessageNotFound, NotAMember."""
        return await self._store.receipts(await self.visible(user_id, message_id))

    async def forwarded(self, sender: Profile, draft: Draft) -> Draft:
        """A draft that forwards a message the sender may read, with what that message says; the origin of a message
        that was forwarded before stays. MessageNotFound, NotAMember, InvalidState."""
        assert draft.forward_from_id is not None
        original = await self.visible(sender.id, draft.forward_from_id)
        if original.is_gone or original.kind is MessageKind.SYSTEM:
            raise InvalidState("this message cannot be forwarded")
        file_id = original.attachment.file_id or None if isinstance(original.attachment, FileRef) else None
        return msgspec.structs.replace(
            draft,
            kind=original.kind,
            content=original.content,
            attachment=None if file_id else original.attachment,
            file_id=file_id,
            forward_from_id=original.forward_from_id or original.id,
        )

    async def page(
        self,
        user_id: int,
        conversation_id: int,
        *,
        limit: int,
        offset: int = 0,
        before_seq: int | None = None,
        after_seq: int | None = None,
        text: str | None = None,
        kind: MessageKind | None = None,
    ) -> tuple[list[Message], int]:
        """In ascending order the newest but for `offset`, or with `after_seq` alone the oldest after it; and how many
        there are in all. Of the reader's own messages also those that wait for their time, as the newest.
        ConversationNotFound, NotAMember."""
        seat = (await self._rosters.get(conversation_id)).seat(user_id)
        waiting: list[Message] = []
        if before_seq is None:
            waiting = [
                message
                for message in await self._store.scheduled(user_id, conversation_id)
                if (kind is None or message.kind is kind) and (text is None or text.lower() in message.content.lower())
            ]
        newest = after_seq is None or before_seq is not None
        shown: list[Message] = []
        if newest:
            shown = waiting[max(0, len(waiting) - offset - limit) : max(0, len(waiting) - offset)]
        found, total = await self._store.page(
            user_id,
            conversation_id,
            after_seq=max(after_seq or 0, seat.visible_after_seq),
            before_seq=before_seq,
            offset=max(0, offset - len(waiting)) if newest else offset,
            limit=limit - len(shown),
            text=text,
            kind=kind,
            newest=newest,
        )
        if not newest:
            shown = waiting[max(0, offset - total) : max(0, offset + limit - total)]
        return found + shown, total + len(waiting)

    async def read(self, user_id: int, message_id: int) -> Marked:
        """Reads a message, and for the count all before it. MessageNotFound, NotAMember."""
        message = await self.visible(user_id, message_id)
        return await self.mark_messages(user_id, message.conversation_id, (message.id,))

    async def recipient_of(self, message: Message) -> int | None:
        """The other user, if it is a message of a single conversation. ConversationNotFound."""
        return (await self._rosters.get(message.conversation_id)).other(message.sender_id)

    async def read_all(self, user_id: int, conversation_id: int) -> Marked:
        """Reads what the conversation holds now. ConversationNotFound, NotAMember."""
        (await self._rosters.get(conversation_id)).seat(user_id)
        newest, _ = await self._store.history(user_id, conversation_id, limit=1, newest=True)
        last_seq = newest[0].seq if newest else 0
        return await answer(lambda done: self.mark_up_to(user_id, conversation_id, last_seq, last_seq, done))

    def mark_up_to(
        self,
        user_id: int,
        conversation_id: int,
        read_seq: int,
        delivered_seq: int,
        done: Callable[[Marked | DomainError], None],
        origin: object | None = None,
    ) -> None:
        """Moves the cursors forward; `done` as in `submit`."""
        read = ((1, read_seq),) if read_seq else ()
        self._mark(Mark(conversation_id, user_id, read, delivered_seq), done, origin)

    async def mark_messages(self, user_id: int, conversation_id: int, message_ids: Sequence[int]) -> Marked:
        """Reads these messages, and for the count all before them. Ids that are no messages of the conversation,
        or that the user may not see, are left out. ConversationNotFound, NotAMember."""
        seat = (await self._rosters.get(conversation_id)).seat(user_id)
        messages = await self._store.get_many(conversation_id, message_ids)
        ranges: list[tuple[int, int]] = []
        for message in messages:
            if message.seq <= seat.visible_after_seq:
                continue
            if ranges and ranges[-1][1] == message.seq - 1:
                ranges[-1] = (ranges[-1][0], message.seq)
            else:
                ranges.append((message.seq, message.seq))
        mark = Mark(conversation_id, user_id, tuple(ranges))
        return await answer(lambda done: self._mark(mark, done, None))

    def _mark(self, mark: Mark, done: Callable[[Marked | DomainError], None], origin: object | None) -> None:
        def with_roster(roster: Roster | DomainError) -> None:
            try:
                if isinstance(roster, DomainError):
                    raise roster
                roster.seat(mark.user_id)
            except DomainError as error:
                done(error)
                return
            self._marks.mark(mark, committed)

        def committed(outcome: Marked | DomainError) -> None:
            done(outcome)
            if isinstance(outcome, Marked) and (outcome.read_moved or outcome.delivered_moved):
                self._publish_mark(mark, outcome, origin)

        self._rosters.when_loaded(mark.conversation_id, with_roster)

    def _publish_mark(self, mark: Mark, marked: Marked, origin: object | None) -> None:
        event = ReceiptMarked(
            mark.conversation_id,
            mark.user_id,
            marked.read_seq if marked.read_moved else 0,
            marked.delivered_seq if marked.delivered_moved else 0,
            self._clock.now_ms(),
        )
        roster = self._rosters.peek(mark.conversation_id)
        if roster is not None and len(roster.seats) <= RECEIPTS_PUSHED_UP_TO_MEMBERS:
            self._bus.publish(event, roster.audience, origin)
        else:
            self._bus.publish(event, Audience((mark.user_id,)), origin)

    def typing(
        self, user_id: int, conversation_id: int, is_typing: bool, done: Callable[[DomainError | None], None]
    ) -> None:
        """Tells the other members; never stored. ConversationNotFound, NotAMember, Muted, Blocked go to `done`."""

        def with_roster(roster: Roster | DomainError) -> None:
            try:
                if isinstance(roster, DomainError):
                    raise roster
                now_ms = self._clock.now_ms()
                roster.speaking_seat(user_id, now_ms)
            except DomainError as error:
                done(error)
                return
            audience = msgspec.structs.replace(roster.audience, without=user_id)
            self._bus.publish(Typing(conversation_id, user_id, is_typing, now_ms), audience)
            done(None)

        self._rosters.when_loaded(conversation_id, with_roster)


def check_location(location: Location) -> None:
    """InvalidValue unless latitude and longitude are decimal degrees on Earth."""
    for field, text, limit in (("latitude", location.latitude, 90), ("longitude", location.longitude, 180)):
        try:
            degrees = float(text) if text.isascii() and "_" not in text else None
        except ValueError:
            degrees = None
        if degrees is None or not -limit <= degrees <= limit:
            raise InvalidValue(field, f"must be decimal degrees from -{limit} to {limit}")
