"""What groups have beyond their members: invite codes, statistics, and the search for public ones."""

import secrets
from typing import Final

from domain.conversations import admit, require_group, require_right_to_invite
from domain.errors import ConversationNotFound, Forbidden, InvalidValue
from domain.model import Conversation, Profile, Role
from domain.ports import Audience, Bus, Clock, ConversationEdit, ConversationStore, GroupStore
from domain.records import GroupStats, InviteCode
from domain.rosters import Rosters

CODE_LIFETIME_MS: Final = 7 * 24 * 3600 * 1000
CODE_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without I, O, 0 and 1, which people take for each other."""
CODE_CHARS: Final = 12
"""60 bits: nobody finds one by trying."""
MAX_CODES: Final = 20
"""Codes of one member for one group that work at the same time; a newer one ends the oldest."""

ACTIVE_MS: Final = 30 * 24 * 3600 * 1000
"""Members who joined, read or wrote within this time are active."""


class Groups:
    def __init__(
        self, *, store: GroupStore, conversations: ConversationStore, rosters: Rosters, bus: Bus, clock: Clock
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._rosters = rosters
        self._bus = bus
        self._clock = clock

    async def invite(self, creator: Profile, conversation_id: int) -> InviteCode:
        """A code with which anybody may join, made by whoever may add members. ConversationNotFound, NotAMember,
        InvalidState (not a group), Forbidden."""
        roster = await self._rosters.get(conversation_id)
        seat = roster.seat(creator.id)
        require_group(roster.conversation)
        require_right_to_invite(roster.conversation, seat.role)
        now_ms = self._clock.now_ms()
        code = InviteCode(
            code="".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_CHARS)),
            conversation_id=conversation_id,
            creator_id=creator.id,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + CODE_LIFETIME_MS,
        )
        await self._store.add_code(code, MAX_CODES)
        return code

    async def join(self, joiner: Profile, code: str) -> Conversation:
        """Becomes a member; who is one already stays one. A code does what its creator may do at that moment: it is
        void once they have left or may not invite any more.

        InvalidValue (no such code, expired or void), GroupFull, ConversationNotFound (dissolved)."""
        now_ms = self._clock.now_ms()
        found = await self._store.code(code.strip().upper())
        if found is None or found.expires_at_ms <= now_ms:
            raise _refused()
        async with self._conversations.edit(found.conversation_id) as edit:
            if await edit.member(joiner.id) is not None:
                return edit.conversation
            await _require_inviter(edit, found.creator_id)
            event = await admit(edit, joiner, (joiner,), Role.MEMBER, now_ms)
        self._bus.publish(event, Audience(event.participant_ids, found.conversation_id))
        return event.conversation

    async def stats(self, user_id: int, conversation_id: int) -> GroupStats:
        """For members. ConversationNotFound, NotAMember, InvalidState (not a group)."""
        roster = await self._rosters.get(conversation_id)
        roster.seat(user_id)
        require_group(roster.conversation)
        stats = await self._store.stats(conversation_id, self._clock.now_ms() - ACTIVE_MS)
        if stats is None:
            raise ConversationNotFound
        return stats

    async def search(self, keyword: str, *, offset: int = 0, limit: int = 10) -> tuple[list[Conversation], int]:
        """Public groups by a part of their name, the largest first, and how many there are."""
        return await self._store.search(keyword, offset=offset, limit=limit)


def _refused() -> InvalidValue:
    return InvalidValue("invite_code", "unknown or expired")


async def _require_inviter(edit: ConversationEdit, creator_id: int) -> None:
    inviter = await edit.member(creator_id)
    if inviter is None:
        raise _refused()
    try:
        require_right_to_invite(edit.conversation, inviter.role)
    except Forbidden as error:
        raise _refused() from error
