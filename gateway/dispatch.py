"""What is done for each command: translate, call one use case, answer."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from domain.calls import Calls
from domain.conversations import Conversations
from domain.errors import DomainError
from domain.events import Event, MessageSent
from domain.messages import Messages
from domain.model import Draft, Location, MessageKind, Profile
from domain.ports import Appended, Clock, Marked, Missed, SyncStore
from domain.presence import Presence
from domain.profiles import Profiles
from gateway.session import Session
from protocol.commands import (
    AnswerCall,
    Command,
    Delete,
    Edit,
    EndCall,
    Hello,
    History,
    ListConversations,
    MarkMessages,
    MarkUpTo,
    OfferCall,
    Open,
    Pin,
    Ping,
    ReadMessage,
    Recall,
    Send,
    SendCandidate,
    SendDraft,
    SetTyping,
    SubscribePresence,
    Sync,
    UnsubscribePresence,
    UpdateLocation,
)
from protocol.replies import (
    Ack,
    CallOffered,
    ConversationList,
    Done,
    Failure,
    HistoryPage,
    Opened,
    Pong,
    PresenceState,
    Synced,
)

if TYPE_CHECKING:
    from gateway.edge import Edge

AtOnce = Callable[[Any, Session, Profile, Any], None]
InBackground = Callable[[Any, Session, Profile, Any], Coroutine[Any, Any, None]]

MAX_REPLAYED = 1000
"""Messages or events that a resume replays; a client that missed more loads histories instead."""


class Commands:
    """The use cases that sessions may call, and the table from commands to what calls them."""

    def __init__(
        self,
        *,
        messages: Messages,
        conversations: Conversations,
        presence: Presence,
        profiles: Profiles,
        sync: SyncStore,
        calls: Calls,
        clock: Clock,
    ) -> None:
        self._calls = calls
        self._messages = messages
        self._conversations = conversations
        self._presence = presence
        self._profiles = profiles
        self._sync = sync
        self._clock = clock
        self.at_once: dict[type[Command], AtOnce] = {
            Send: self.send,
            SendDraft: self.send_draft,
            MarkUpTo: self.mark_up_to,
            SetTyping: self.typing,
            Ping: self.ping,
            Hello: self.hello_again,
            SubscribePresence: self.subscribe,
            UnsubscribePresence: self.unsubscribe,
            Sync: self.sync,
        }
        """Answered without a task."""
        self.in_background: dict[type[Command], InBackground] = {
            Edit: self.edit,
            Recall: self.recall,
            Delete: self.delete,
            Pin: self.pin,
            MarkMessages: self.mark_messages,
            ReadMessage: self.read_message,
            UpdateLocation: self.locate,
            History: self.history,
            ListConversations: self.list_conversations,
            Open: self.open,
            OfferCall: self.offer_call,
            AnswerCall: self.answer_call,
            SendCandidate: self.send_candidate,
            EndCall: self.end_call,
        }
        """Wait for the database, each in a task of its own."""

    def send(self, edge: "Edge", session: Session, who: Profile, command: Send) -> None:
        attachment = None
        if command.kind is MessageKind.LOCATION:
            attachment = Location(command.latitude or "", command.longitude or "", command.address)
        draft = Draft(
            conversation_id=command.conversation_id,
            sender_id=who.id,
            kind=command.kind,
            content=command.content,
            client_msg_id=command.client_msg_id,
            reply_to_id=command.reply_to_id,
            forward_from_id=command.forward_from_id,
            attachment=attachment,
            file_id=command.file_id,
            is_silent=command.is_silent,
            ttl_s=command.ttl_s,
            send_at_ms=command.send_at_ms,
        )
        if command.forward_from_id is None:
            self._submit(edge, session, who, command, draft)
        else:
            edge.in_background(session, who, command, partial(self._forward, draft))

    async def _forward(self, draft: Draft, edge: "Edge", session: Session, who: Profile, command: Send) -> None:
        self._submit(edge, session, who, command, await self._messages.forwarded(who, draft))

    def _submit(self, edge: "Edge", session: Session, who: Profile, command: Send | SendDraft, draft: Draft) -> None:
        request_id = command.id if isinstance(command, Send) else None

        def done(outcome: Appended | DomainError) -> None:
            if isinstance(outcome, Appended):
                message = outcome.message
                session.reply(
                    Ack(
                        request_id,
                        message.client_msg_id,
                        message.id,
                        message.conversation_id,
                        max(message.seq, 0),
                        message.created_at_ms,
                        outcome.duplicate,
                    )
                )
            else:
                session.fail(outcome, command)

        self._messages.submit(who, draft, done, session)
        edge.throttle(session.connection)

    def send_draft(self, edge: "Edge", session: Session, who: Profile, command: SendDraft) -> None:
        conversation_id: int | None = command.draft.conversation_id
        if command.user_id is not None or command.group_id is not None:
            conversation_id = self._conversations.known_target(who.id, command.user_id, command.group_id)
        if conversation_id is None or command.draft.forward_from_id is not None:
            edge.in_background(session, who, command, self.complete_and_send)
        else:
            self._submit(edge, session, who, command, _addressed(command.draft, who, conversation_id))

    async def complete_and_send(self, edge: "Edge", session: Session, who: Profile, command: SendDraft) -> None:
        conversation_id = command.draft.conversation_id
        if command.user_id is not None or command.group_id is not None:
            conversation_id = await self._conversations.target(who, command.user_id, command.group_id)
        draft = _addressed(command.draft, who, conversation_id)
        if draft.forward_from_id is not None:
            draft = await self._messages.forwarded(who, draft)
        self._submit(edge, session, who, command, draft)

    def mark_up_to(self, edge: "Edge", session: Session, who: Profile, command: MarkUpTo) -> None:
        def done(outcome: Marked | DomainError) -> None:
            if isinstance(outcome, DomainError):
                session.fail(outcome, command)
            elif command.id is not None:
                _done(session, command.id)

        self._messages.mark_up_to(
            who.id, command.conversation_id, command.read_seq, command.delivered_seq, done, session
        )
        edge.throttle(session.connection)

    def typing(self, edge: "Edge", session: Session, who: Profile, command: SetTyping) -> None:
        def done(outcome: DomainError | None) -> None:
            if outcome is not None:
                session.fail(outcome, command)
            elif command.id is not None:
                _done(session, command.id)

        self._messages.typing(who.id, command.conversation_id, command.is_typing, done)

    def ping(self, edge: "Edge", session: Session, who: Profile, command: Ping) -> None:
        session.reply(Pong(command.id, self._clock.now_ms(), edge.position))

    def hello_again(self, edge: "Edge", session: Session, who: Profile, command: Hello) -> None:
        session.reply(Failure(command.id, "already_authenticated", "this session is authenticated"))

    def subscribe(self, edge: "Edge", session: Session, who: Profile, command: SubscribePresence) -> None:
        known = session.watching or set()
        if len(known.union(command.user_ids)) > edge.MAX_WATCHED:
            text = f"a session may watch {edge.MAX_WATCHED} users"
            session.reply(Failure(command.id, "too_many", text))
            return
        edge.hub.watch(session, command.user_ids)
        session.reply(PresenceState(command.id, self._presence.states(command.user_ids)))

    def unsubscribe(self, edge: "Edge", session: Session, who: Profile, command: UnsubscribePresence) -> None:
        edge.hub.unwatch(session, command.user_ids)
        if command.id is not None:
            _done(session, command.id)

    async def edit(self, edge: "Edge", session: Session, who: Profile, command: Edit) -> None:
        await self._messages.edit(who, command.message_id, command.content)
        _done(session, command.id)

    async def recall(self, edge: "Edge", session: Session, who: Profile, command: Recall) -> None:
        await self._messages.recall(who, command.message_id)
        _done(session, command.id)

    async def delete(self, edge: "Edge", session: Session, who: Profile, command: Delete) -> None:
        await self._messages.delete(who, command.message_id)
        _done(session, command.id)

    async def pin(self, edge: "Edge", session: Session, who: Profile, command: Pin) -> None:
        await self._messages.pin(who, command.message_id, command.pinned)
        _done(session, command.id)

    async def mark_messages(self, edge: "Edge", session: Session, who: Profile, command: MarkMessages) -> None:
        await self._messages.mark_messages(who.id, command.conversation_id, command.message_ids)
        _done(session, command.id)

    async def read_message(self, edge: "Edge", session: Session, who: Profile, command: ReadMessage) -> None:
        await self._messages.read(who.id, command.message_id)

    async def locate(self, edge: "Edge", session: Session, who: Profile, command: UpdateLocation) -> None:
        await self._presence.locate(who.id, command.latitude, command.longitude, command.accuracy)
        _done(session, command.id)

    async def history(self, edge: "Edge", session: Session, who: Profile, command: History) -> None:
        messages, has_more = await self._messages.history(
            who.id,
            command.conversation_id,
            limit=command.limit,
            before_seq=command.before_seq,
            after_seq=command.after_seq,
        )
        session.reply(HistoryPage(command.id, command.conversation_id, messages, has_more))

    async def list_conversations(
        self, edge: "Edge", session: Session, who: Profile, command: ListConversations
    ) -> None:
        views, total = await self._conversations.list_for(who.id, offset=command.offset, limit=command.limit)
        session.reply(ConversationList(command.id, views, total))

    async def open(self, edge: "Edge", session: Session, who: Profile, command: Open) -> None:
        conversation = await self._conversations.open_single(who, command.user_id)
        session.reply(Opened(command.id, conversation, command.user_id))

    async def offer_call(self, edge: "Edge", session: Session, who: Profile, command: OfferCall) -> None:
        call = await self._calls.offer(
            who, command.to_user_id, command.call_type, command.sdp, command.call_id, session
        )
        reason = "" if call.reason is None else call.reason.value
        session.reply(CallOffered(command.id, call.id, call.callee_id, self._clock.now_ms(), reason))

    async def answer_call(self, edge: "Edge", session: Session, who: Profile, command: AnswerCall) -> None:
        await self._calls.answer(who, command.call_id, command.sdp, session)
        _done(session, command.id)

    async def send_candidate(self, edge: "Edge", session: Session, who: Profile, command: SendCandidate) -> None:
        await self._calls.ice(who, command.call_id, command.candidate, session)
        _done(session, command.id)

    async def end_call(self, edge: "Edge", session: Session, who: Profile, command: EndCall) -> None:
        await self._calls.hang_up(who, command.call_id, session)
        _done(session, command.id)

    def sync(self, edge: "Edge", session: Session, who: Profile, command: Sync) -> None:
        """Holds live events back from this moment on, so nothing overtakes the replay."""
        if session.held is not None:
            session.reply(Failure(command.id, "busy", "a replay is under way", True, 100))
            return
        session.held = []
        edge.hub.holding.add(session)
        if not edge.in_background(session, who, command, self.replay):
            edge.hub.holding.discard(session)
            session.release({})

    async def replay(self, edge: "Edge", session: Session, who: Profile, command: Sync) -> None:
        """Sends what was missed, then what was held back meanwhile."""
        seen: dict[int, int] = {}
        try:
            missed = None
            if command.epoch == edge.epoch:
                seen = dict(command.cursors)
                missed = await self._sync.missed(who.id, command.position, seen, MAX_REPLAYED)
            frames = [] if missed is None else await self._frames(session, missed)
            # More than the outbox takes would cut the session off, and again at every attempt. Half of it is for what
            # was held back.
            if missed is None or sum(map(len, frames)) > edge.config.outbox_bytes // 2:
                edge.stats.resumes["lost"] += 1
                session.reply(Synced(command.id, False, edge.epoch, edge.position))
                return
            for frame in frames:
                session.connection.push(frame)
            seen |= {message.conversation_id: message.seq for message in missed.messages}
            edge.stats.resumes["recovered"] += 1
            session.reply(Synced(command.id, True, edge.epoch, missed.position))
        finally:
            edge.hub.holding.discard(session)
            session.release(seen)
            edge.hub.has_seen(session, who.id, seen)

    async def _frames(self, session: Session, missed: Missed) -> list[bytes]:
        """What the session's dialect shows of it, messages first."""
        senders = await self._profiles.get_many({message.sender_id for message in missed.messages})
        events: list[Event] = [
            MessageSent(message, senders.get(message.sender_id) or Profile(message.sender_id, "", ""))
            for message in missed.messages
        ]
        wire = session.wire
        assert wire is not None
        return [frame for event in (*events, *missed.events) if (frame := wire.encode(event)) is not None]


def _addressed(draft: Draft, sender: Profile, conversation_id: int) -> Draft:
    return msgspec.structs.replace(draft, sender_id=sender.id, conversation_id=conversation_id)


def _done(session: Session, request_id: int | None) -> None:
    if request_id is not None:
        session.reply(Done(request_id))
