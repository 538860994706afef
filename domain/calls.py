"""Calls between two users: who rings, who answers, and how they end. Media never pass the server."""

import asyncio
from collections.abc import Awaitable
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from domain.conversations import Conversations
from domain.errors import CallNotFound, Forbidden, InvalidState, InvalidValue
from domain.events import CallSignalled, Event
from domain.messages import Messages
from domain.model import CallRecord, Draft, MessageKind, Profile
from domain.ports import Audience, Bus, CallStore, Clock
from domain.presence import Presence
from domain.profiles import Profiles
from domain.records import Call, CallEnd, CallType
from domain.rosters import Rosters
from domain.tokens import new_id

MAX_PAYLOAD_CHARS: Final = 64 * 1024
"""Of an SDP or a candidate."""


class CallLimits(msgspec.Struct, frozen=True):
    ring_s: int = 60
    """A callee who has not answered by then is not going to."""


class Calls:
    """Every step goes to all devices of the other party, and to the other devices of the one who took it: they ring, or
    stop ringing. `on_event` is to be subscribed to the bus; `sweep` is to be called every second or so, by any number
    of processes."""

    def __init__(
        self,
        *,
        store: CallStore,
        profiles: Profiles,
        rosters: Rosters,
        conversations: Conversations,
        messages: Messages,
        presence: Presence,
        bus: Bus,
        clock: Clock,
        limits: CallLimits,
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._rosters = rosters
        self._conversations = conversations
        self._messages = messages
        self._presence = presence
        self._bus = bus
        self._clock = clock
        self._limits = limits
        self._known: dict[str, Call] = {}
        """The parties of calls under way that this process has heard of. A signal asks for no more, and what changes a
        call is decided by the store."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """The steps of a call are taken in the order in which they came: a candidate must not overtake its offer."""

    async def offer(
        self,
        caller: Profile,
        callee_id: int,
        call_type: CallType,
        sdp: str,
        call_id: str | None = None,
        origin: object | None = None,
    ) -> Call:
        """Rings at the callee. Somebody who is in another call is busy: then the call that is answered is over.
        InvalidValue (oneself, the size, an id that was used), UserNotFound, Blocked, NotFriends."""
        if callee_id == caller.id:
            raise InvalidValue("to_user_id", "nobody calls oneself")
        _check(sdp)
        call_id = call_id or f"call_{new_id()}"
        async with self._turn(call_id):
            return await self._offer(caller, callee_id, call_type, sdp, call_id, origin)

    async def _offer(
        self, caller: Profile, callee_id: int, call_type: CallType, sdp: str, call_id: str, origin: object | None
    ) -> Call:
        await self._profiles.get(callee_id)
        conversation_id = await self._conversations.single_with(caller, callee_id)
        self._messages.check_may_write(await self._rosters.get(conversation_id), caller.id)
        now_ms = self._clock.now_ms()
        call = Call(
            id=call_id,
            caller_id=caller.id,
            callee_id=callee_id,
            call_type=call_type,
            started_at_ms=now_ms,
        )
        if not await self._store.start(call, now_ms - self._limits.ring_s * 1000):
            call = msgspec.structs.replace(call, reason=CallEnd.BUSY, ended_at_ms=now_ms)
            await self._remember(call)
            return call
        self._signal(call, "offer", caller.id, sdp, origin)
        return call

    async def answer(self, user: Profile, call_id: str, sdp: str, origin: object | None = None) -> None:
        """The callee takes the call; on the callee's other devices it stops ringing. CallNotFound, Forbidden,
        InvalidState, InvalidValue."""
        _check(sdp)
        async with self._turn(call_id):
            call = await self._of(user, call_id)
            if call.callee_id != user.id:
                raise Forbidden("only the callee may answer a call")
            answered = await self._store.answer(call_id, self._clock.now_ms())
            if answered is None:
                raise InvalidState("this call was answered, or is over")
            self._signal(answered, "answer", user.id, sdp, origin)

    async def ice(self, user: Profile, call_id: str, candidate: str, origin: object | None = None) -> None:
        """CallNotFound, Forbidden, InvalidValue."""
        _check(candidate)
        async with self._turn(call_id):
            self._signal(await self._of(user, call_id), "ice", user.id, candidate, origin)

    async def hang_up(self, user: Profile, call_id: str, origin: object | None = None) -> None:
        """Ends a call: the callee's end before the answer rejects it. CallNotFound, Forbidden."""
        async with self._turn(call_id):
            call = await self._of(user, call_id)
            reason = CallEnd.REJECTED if user.id == call.callee_id else CallEnd.USER_HANGUP
            await self._end(call_id, reason, user.id, origin, if_answered=CallEnd.USER_HANGUP)

    def _turn(self, call_id: str) -> asyncio.Lock:
        turn = self._turns.get(call_id)
        if turn is None:
            turn = self._turns[call_id] = asyncio.Lock()
        return turn

    async def _of(self, user: Profile, call_id: str) -> Call:
        """A call under way that the user is a party of. CallNotFound, Forbidden."""
        call = self._known.get(call_id) or await self._store.get(call_id)
        if call is None or call.ended_at_ms is not None:
            raise CallNotFound
        self._known[call_id] = call
        if user.id not in call.parties:
            raise Forbidden("only its two parties may signal in a call")
        return call

    async def _end(
        self,
        call_id: str,
        reason: CallEnd,
        user_id: int,
        origin: object | None = None,
        *,
        if_answered: CallEnd | None,
    ) -> None:
        call = await self._store.end(call_id, reason, self._clock.now_ms(), if_answered=if_answered)
        self._known.pop(call_id, None)
        if call is not None:
            self._signal(call, "end", user_id, "", origin)
            await self._remember(call)

    async def _remember(self, call: Call) -> None:
        """A message of the system in the conversation of the two."""
        caller = await self._profiles.get(call.caller_id)
        assert call.reason is not None
        record = CallRecord(call.id, call.call_type.value, call.reason.value, call.duration_s)
        draft = Draft(
            conversation_id=await self._conversations.single_with(caller, call.callee_id),
            sender_id=call.caller_id,
            kind=MessageKind.SYSTEM,
            client_msg_id=f"call:{call.id}"[:64],
            attachment=record,
        )
        await self._messages.tell(caller, draft)

    def _signal(self, call: Call, step: str, from_user_id: int, payload: str, origin: object | None) -> None:
        event = CallSignalled(
            call.id,
            step,
            from_user_id,
            call.other(from_user_id),
            call.call_type.value,
            payload,
            "" if call.reason is None else call.reason.value,
            call.duration_s,
            self._clock.now_ms(),
        )
        # The caller's other devices have nothing to do with an offer; an answer or an end stops the ringing of all.
        parties = (call.other(from_user_id),) if step in ("offer", "ice") else call.parties
        self._bus.publish(event, Audience(parties), origin)

    def on_event(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        """Learns of calls that begin and end here or on another node."""
        if not isinstance(event, CallSignalled):
            return
        if event.step == "offer":
            self._known[event.call_id] = Call(
                id=event.call_id,
                caller_id=event.from_user_id,
                callee_id=event.to_user_id,
                call_type=CallType(event.call_type),
                started_at_ms=event.at_ms,
            )
        elif event.step == "end":
            self._known.pop(event.call_id, None)

    async def sweep(self) -> bool:
        """Ends calls that nobody answered, and those whose parties are gone. Unavailable.

        One query for all of them, and few transactions: a thousand users leave at once when a process dies."""
        now_ms = self._clock.now_ms()
        known = set(self._known)
        under_way = await self._store.under_way()
        # Their end was told while events did not come here.
        for call_id in known - {call.id for call in under_way}:
            self._known.pop(call_id, None)
        ends: list[Awaitable[None]] = []
        for call in under_way:
            rings = call.answered_at_ms is None
            # A callee may be away from the start, and come while it rings.
            needed = (call.caller_id,) if rings else call.parties
            gone = [user_id for user_id in needed if not self._presence.is_online(user_id)]
            if gone:
                ends.append(self._end(call.id, CallEnd.DISCONNECTED, gone[0], if_answered=CallEnd.DISCONNECTED))
            elif rings and now_ms - call.started_at_ms >= self._limits.ring_s * 1000:
                ends.append(self._end(call.id, CallEnd.TIMEOUT, call.callee_id, if_answered=None))
        for outcome in await asyncio.gather(*ends, return_exceptions=True):
            if outcome is not None:
                raise outcome
        return False


def _check(payload: str) -> None:
    if len(payload) > MAX_PAYLOAD_CHARS:
        raise InvalidValue("payload", f"at most {MAX_PAYLOAD_CHARS} characters")
