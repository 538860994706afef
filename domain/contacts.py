"""Friends, contacts and blocks: who may ask whom, and what the answer changes."""

from typing import Final

from domain.errors import Blocked, Conflict, Forbidden, InvalidState, InvalidValue, Oneself, RecordNotFound
from domain.events import ContactChanged, Event, FriendRequestAnswered, FriendRequested, Relation
from domain.model import Profile
from domain.ports import Audience, Clock, ContactEdit, ContactStore, Publisher
from domain.profiles import Profiles
from domain.records import Contact, ContactView, FriendRequest, FriendRequestView, RequestStatus

MAX_REMARK_CHARS: Final = 100
MAX_REQUEST_CHARS: Final = 500


class Contacts:
    """A friendship is two rows, a contact or a block one. Every change is told to the sessions of the row's owner."""

    def __init__(self, *, store: ContactStore, profiles: Profiles, bus: Publisher, clock: Clock) -> None:
        self._store = store
        self._profiles = profiles
        self._bus = bus
        self._clock = clock

    async def ask(self, asker: Profile, user_id: int, message: str = "") -> FriendRequest:
        """Asks somebody to be friends; if they have asked too, both are friends at once. Oneself, InvalidValue (the
        text), UserNotFound, InvalidState (asked before, friends already, blocked by oneself), Blocked."""
        if user_id == asker.id:
            raise Oneself("to_user_id", "nobody is a friend of oneself")
        if len(message) > MAX_REQUEST_CHARS:
            raise InvalidValue("message", f"at most {MAX_REQUEST_CHARS} characters")
        other = await self._profiles.get(user_id)
        now_ms = self._clock.now_ms()
        async with self._store.edit(asker.id, user_id) as edit:
            own, theirs = await edit.contact(asker.id), await edit.contact(user_id)
            if theirs is not None and theirs.is_blocked:
                raise Blocked("this user does not accept requests from this account")
            if own is not None and own.is_blocked:
                raise InvalidState("this user is blocked; unblock them first")
            if own is not None and own.is_friend:
                raise InvalidState("this user is a friend already")
            if await edit.pending_from(asker.id) is not None:
                raise InvalidState("a request to this user is waiting for its answer")
            request = await edit.add_request(asker.id, message, now_ms)
            crossing = await edit.pending_from(user_id)
            events: list[tuple[Event, int]] = []
            if crossing is None:
                events.append((FriendRequested(request, asker), user_id))
            else:
                crossing = await edit.close_request(crossing, RequestStatus.ACCEPTED, "", now_ms)
                request = await edit.close_request(request, RequestStatus.ACCEPTED, "", now_ms)
                events.append((FriendRequestAnswered(crossing, asker), user_id))
                events.append((FriendRequestAnswered(request, other), asker.id))
                events += await _befriend(edit, asker.id, user_id, now_ms)
            await _record(edit, events)
        self._publish(events, edit.single_id)
        return request

    async def answer(self, user: Profile, request_id: int, accept: bool, answer: str = "") -> FriendRequest:
        """Accepts or rejects a request to oneself. RecordNotFound, Forbidden (somebody else's), InvalidState (answered
        before), InvalidValue."""
        if len(answer) > MAX_REQUEST_CHARS:
            raise InvalidValue("message", f"at most {MAX_REQUEST_CHARS} characters")
        found = await self._store.request(request_id)
        if found is None:
            raise RecordNotFound("no such friend request")
        if found.to_user_id != user.id:
            raise Forbidden("only the one who was asked may answer a friend request")
        now_ms = self._clock.now_ms()
        async with self._store.edit(user.id, found.from_user_id) as edit:
            request = await edit.pending_from(found.from_user_id)
            if request is None or request.id != request_id:
                raise InvalidState("this friend request has been answered")
            status = RequestStatus.ACCEPTED if accept else RequestStatus.REJECTED
            request = await edit.close_request(request, status, answer, now_ms)
            events: list[tuple[Event, int]] = [(FriendRequestAnswered(request, user), request.from_user_id)]
            if accept:
                events += await _befriend(edit, user.id, request.from_user_id, now_ms)
            await _record(edit, events)
        self._publish(events, edit.single_id)
        return request

    async def requests(self, user_id: int) -> list[FriendRequestView]:
        """Those to the user, newest first, answered ones too."""
        return await self._store.requests_to(user_id)

    async def unanswered(self, user_id: int) -> int:
        """How many requests wait for the user's answer."""
        return await self._store.pending_to(user_id)

    async def all(self, user_id: int) -> list[ContactView]:
        """The user's contacts, friends and blocked ones among them, oldest first."""
        return await self._store.list_for(user_id)

    async def friends(self, user_id: int) -> list[ContactView]:
        """Without those whom the user has blocked."""
        views = await self._store.list_for(user_id)
        return [view for view in views if view.contact.is_friend and not view.contact.is_blocked]

    async def blocked(self, user_id: int) -> list[ContactView]:
        return [view for view in await self._store.list_for(user_id) if view.contact.is_blocked]

    async def add(self, owner: Profile, user_id: int, remark: str = "") -> Contact:
        """Puts somebody into one's own contacts, without asking. Oneself, InvalidValue, UserNotFound, Conflict."""
        if user_id == owner.id:
            raise Oneself("contact_id", "nobody is a contact of oneself")
        _check_remark(remark)
        now_ms = self._clock.now_ms()
        async with self._store.edit(owner.id, user_id) as edit:
            if await edit.contact(owner.id) is not None:
                raise Conflict("this user is a contact already")
            contact = await edit.put(owner.id, now_ms, remark=remark)
            events = [_changed(contact, now_ms)]
            await _record(edit, events)
        self._publish(events, edit.single_id)
        return contact

    async def remove(self, owner: Profile, user_id: int) -> None:
        """Removes a contact; a friendship ends for both. RecordNotFound."""
        now_ms = self._clock.now_ms()
        async with self._store.edit(owner.id, user_id) as edit:
            own, theirs = await edit.contact(owner.id), await edit.contact(user_id)
            if own is None:
                raise RecordNotFound("this user is no contact")
            await edit.drop(owner.id)
            events: list[tuple[Event, int]] = [(ContactChanged(owner.id, user_id, Relation.NONE, now_ms), owner.id)]
            if own.is_friend and theirs is not None:
                if theirs.is_blocked:
                    # Otherwise somebody who is blocked would end the block by ending the friendship.
                    await edit.put(user_id, now_ms, is_friend=False)
                else:
                    await edit.drop(user_id)
                    events.append((ContactChanged(user_id, owner.id, Relation.NONE, now_ms), user_id))
            await _record(edit, events)
        self._publish(events, edit.single_id)

    async def unfriend(self, owner: Profile, user_id: int) -> None:
        """`remove` for friends only. RecordNotFound."""
        contact = await self._store.get(owner.id, user_id)
        if contact is None or not contact.is_friend:
            raise RecordNotFound("this user is no friend")
        await self.remove(owner, user_id)

    async def block(self, owner: Profile, user_id: int) -> Contact:
        """Refuses the other's private messages and requests, and hides one's presence from them; anybody may be
        blocked, friend or not. Oneself, UserNotFound."""
        if user_id == owner.id:
            raise Oneself("friend_id", "nobody can block oneself")
        return await self._set(owner, user_id, is_blocked=True)

    async def unblock(self, owner: Profile, user_id: int) -> None:
        """RecordNotFound."""
        contact = await self._store.get(owner.id, user_id)
        if contact is None or not contact.is_blocked:
            raise RecordNotFound("this user is not blocked")
        await self._set(owner, user_id, is_blocked=False)

    async def set_remark(self, owner: Profile, user_id: int, remark: str) -> Contact:
        """The name that the owner alone sees. InvalidValue, RecordNotFound."""
        _check_remark(remark)
        if await self._store.get(owner.id, user_id) is None:
            raise RecordNotFound("this user is no contact")
        return await self._set(owner, user_id, remark=remark)

    async def _set(self, owner: Profile, user_id: int, **fields: object) -> Contact:
        now_ms = self._clock.now_ms()
        async with self._store.edit(owner.id, user_id) as edit:
            contact = await edit.put(owner.id, now_ms, **fields)
            events = [_changed(contact, now_ms)]
            await _record(edit, events)
        self._publish(events, edit.single_id)
        return contact

    def _publish(self, events: list[tuple[Event, int]], single_id: int | None) -> None:
        """The conversation goes with it: whoever may not write there any more is refused on every node."""
        for event, user_id in events:
            self._bus.publish(event, Audience((user_id,), single_id))


async def _befriend(edit: ContactEdit, one_id: int, other_id: int, now_ms: int) -> list[tuple[Event, int]]:
    return [_changed(await edit.put(user_id, now_ms, is_friend=True), now_ms) for user_id in (one_id, other_id)]


async def _record(edit: ContactEdit, events: list[tuple[Event, int]]) -> None:
    for event, user_id in events:
        await edit.record(event, user_id)


def _changed(contact: Contact, now_ms: int) -> tuple[Event, int]:
    return ContactChanged(contact.user_id, contact.contact_id, relation_of(contact), now_ms), contact.user_id


def relation_of(contact: Contact) -> Relation:
    if contact.is_blocked:
        return Relation.BLOCKED
    return Relation.FRIEND if contact.is_friend else Relation.CONTACT


def _check_remark(remark: str) -> None:
    if len(remark) > MAX_REMARK_CHARS:
        raise InvalidValue("remark", f"at most {MAX_REMARK_CHARS} characters")
