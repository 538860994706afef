"""Applications to join groups, and the notices of what happened in groups to those whom it concerns."""

from typing import Final

from domain.conversations import admit, require_group
from domain.errors import Forbidden, InvalidState, InvalidValue, NotAMember, RecordNotFound
from domain.events import Event, GroupNoted
from domain.model import Profile, Role
from domain.ports import ApplicationStore, Audience, Bus, Clock, ConversationStore
from domain.profiles import Profiles
from domain.records import (
    GroupApplication,
    GroupApplicationView,
    GroupNoticeView,
    NoticeKind,
    RequestStatus,
)

MAX_REASON_CHARS: Final = 500
MAX_NOTICES: Final = 200


class Applications:
    def __init__(
        self,
        *,
        store: ApplicationStore,
        conversations: ConversationStore,
        profiles: Profiles,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._profiles = profiles
        self._bus = bus
        self._clock = clock

    async def apply(self, applicant: Profile, conversation_id: int, reason: str = "") -> GroupApplication:
        """Asks the owner and the admins to be let in. ConversationNotFound, InvalidState (a member already, asked
        before, not a group), InvalidValue."""
        if len(reason) > MAX_REASON_CHARS:
            raise InvalidValue("reason", f"at most {MAX_REASON_CHARS} characters")
        now_ms = self._clock.now_ms()
        async with self._conversations.edit(conversation_id) as edit:
            require_group(edit.conversation)
            if await edit.member(applicant.id) is not None:
                raise InvalidState("already a member of this group")
            if await edit.pending_applications((applicant.id,)):
                raise InvalidState("an application to this group is waiting for its answer")
            application = await edit.add_application(applicant.id, reason, now_ms)
            recipients = await edit.administrator_ids()
            notice = await edit.note(NoticeKind.APPLIED, applicant.id, applicant.id, recipients, now_ms)
            event = GroupNoted(notice, applicant, applicant, edit.conversation.name or "")
        self._bus.publish(event, Audience(recipients))
        return application

    async def handle(self, operator: Profile, application_id: int, approve: bool) -> GroupApplication:
        """Lets the applicant in, or does not: the owner and the admins. RecordNotFound, ConversationNotFound,
        NotAMember, Forbidden, InvalidState (answered before), GroupFull."""
        found = await self._store.application(application_id)
        if found is None:
            raise RecordNotFound("no such application")
        applicant = await self._profiles.get(found.user_id)
        now_ms = self._clock.now_ms()
        joined: Event | None = None
        async with self._conversations.edit(found.conversation_id) as edit:
            actor = await edit.member(operator.id)
            if actor is None:
                raise NotAMember
            if actor.role is Role.MEMBER:
                raise Forbidden("only the owner and admins may answer applications")
            waiting = [each for each in await edit.pending_applications((applicant.id,)) if each.id == application_id]
            if not waiting:
                raise InvalidState("this application has been answered")
            status = RequestStatus.ACCEPTED if approve else RequestStatus.REJECTED
            application = await edit.close_application(waiting[0], status, operator.id, now_ms)
            if approve:
                joined = await admit(edit, operator, (applicant,), Role.MEMBER, now_ms)
            kind = NoticeKind.APPROVED if approve else NoticeKind.REJECTED
            notice = await edit.note(kind, operator.id, applicant.id, (applicant.id,), now_ms)
            told = GroupNoted(notice, operator, applicant, edit.conversation.name or "")
            participants = await edit.member_ids()
        if joined is not None:
            self._bus.publish(joined, Audience(participants, found.conversation_id))
        self._bus.publish(told, Audience((applicant.id,)))
        return application

    async def waiting_for(self, user_id: int) -> list[GroupApplicationView]:
        """Unanswered applications to the groups that the user owns or administrates, newest first."""
        return await self._store.waiting_for(user_id)

    async def count_waiting_for(self, user_id: int) -> int:
        return await self._store.count_waiting_for(user_id)

    async def notices(self, user_id: int) -> list[GroupNoticeView]:
        """The user's newest, each as it was before this call, which reads them all."""
        views = await self._store.notices(user_id, MAX_NOTICES)
        if not all(view.is_read for view in views):
            await self._store.read_notices(user_id, views[0].notice.id)
        return views
