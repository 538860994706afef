"""Applications to join groups, and the notices of what happened in groups."""

import asyncio

import pytest

from domain.errors import DomainError, Forbidden, InvalidState, InvalidValue, NotAMember, RecordNotFound
from domain.events import Event, GroupNoted, MembersAdded
from domain.model import Conversation, Profile, Role
from domain.records import NoticeKind, RequestStatus
from tests.domain.conftest import People
from tests.world import NOBODY, Rules


async def notices(rules: Rules, user: Profile) -> list[tuple[NoticeKind, int, int]]:
    """Kind, operator and target, oldest first."""
    views = await rules.applications.notices(user.id)
    return [(view.notice.kind, view.operator.id, view.target.id) for view in reversed(views)]


async def group_of(rules: Rules, owner: Profile, *others: Profile, **fields: int) -> Conversation:
    return await rules.conversations.create_group(owner, [other.id for other in others], name="g", **fields)


async def test_an_approved_applicant_is_a_member(rules: Rules, people: People) -> None:
    owner, admin, member, bob = await people("owner", "admin", "member", "bob")
    group = await group_of(rules, owner, admin, member)
    await rules.conversations.update_member(owner, group.id, admin.id, role=Role.ADMIN)
    heard: list[tuple[Event, set[int]]] = []
    rules.bus.subscribe(lambda event, audience, *_: heard.append((event, set(audience.user_ids))))
    application = await rules.applications.apply(bob, group.id, "let me in")
    ((noted, recipients),) = heard
    assert isinstance(noted, GroupNoted)
    assert (noted.notice.kind, recipients) == (NoticeKind.APPLIED, {owner.id, admin.id})
    (waiting,) = await rules.applications.waiting_for(admin.id)
    assert (waiting.application, waiting.applicant, waiting.group.id) == (application, bob, group.id)
    assert await rules.applications.count_waiting_for(owner.id) == 1
    assert await rules.applications.count_waiting_for(member.id) == 0
    heard.clear()
    handled = await rules.applications.handle(admin, application.id, True)
    assert (handled.status, handled.handled_by_id) == (RequestStatus.ACCEPTED, admin.id)
    (added, members), (noted, recipients) = heard
    assert isinstance(added, MembersAdded)
    assert members == {owner.id, admin.id, member.id, bob.id}
    assert isinstance(noted, GroupNoted)
    assert (noted.notice.kind, recipients) == (NoticeKind.APPROVED, {bob.id})
    assert (await rules.conversations.get(bob.id, group.id)).member_count == 4
    assert await rules.applications.waiting_for(owner.id) == []


async def test_a_rejected_applicant_may_apply_again(rules: Rules, people: People) -> None:
    owner, bob = await people("owner", "bob")
    group = await group_of(rules, owner)
    application = await rules.applications.apply(bob, group.id)
    with pytest.raises(InvalidState):
        await rules.applications.apply(bob, group.id)
    await rules.applications.handle(owner, application.id, False)
    with pytest.raises(InvalidState):
        await rules.applications.handle(owner, application.id, True)
    with pytest.raises(NotAMember):
        await rules.conversations.get(bob.id, group.id)
    assert await notices(rules, bob) == [(NoticeKind.REJECTED, owner.id, bob.id)]
    await rules.applications.apply(bob, group.id)
    assert await rules.applications.count_waiting_for(owner.id) == 1


async def test_who_may_not_apply_or_answer(rules: Rules, people: People) -> None:
    owner, member, bob = await people("owner", "member", "bob")
    group = await group_of(rules, owner, member)
    with pytest.raises(InvalidState):
        await rules.applications.apply(member, group.id)
    single = await rules.conversations.open_single(owner, member.id)
    with pytest.raises(InvalidState):
        await rules.applications.apply(bob, single.id)
    with pytest.raises(InvalidValue):
        await rules.applications.apply(bob, group.id, "x" * 501)
    application = await rules.applications.apply(bob, group.id)
    with pytest.raises(Forbidden):
        await rules.applications.handle(member, application.id, True)
    with pytest.raises(NotAMember):
        await rules.applications.handle(bob, application.id, True)
    with pytest.raises(RecordNotFound):
        await rules.applications.handle(owner, NOBODY, True)


async def test_a_full_group_lets_nobody_in(rules: Rules, people: People) -> None:
    owner, member, bob = await people("owner", "member", "bob")
    group = await group_of(rules, owner, member, max_members=2)
    application = await rules.applications.apply(bob, group.id)
    with pytest.raises(InvalidValue):
        await rules.applications.handle(owner, application.id, True)
    await rules.conversations.remove_member(member, group.id, member.id)
    await rules.applications.handle(owner, application.id, True)
    assert (await rules.conversations.get(bob.id, group.id)).member_count == 2


async def test_who_joined_otherwise_meanwhile_has_no_open_application(rules: Rules, people: People) -> None:
    owner, bob = await people("owner", "bob")
    group = await group_of(rules, owner)
    application = await rules.applications.apply(bob, group.id)
    await rules.conversations.add_members(owner, group.id, [bob.id])
    assert await rules.applications.count_waiting_for(owner.id) == 0
    with pytest.raises(InvalidState):
        await rules.applications.handle(owner, application.id, True)
    assert (await rules.conversations.get(bob.id, group.id)).member_count == 2


async def test_answering_twice_at_once_lets_in_once(rules: Rules, people: People) -> None:
    owner, bob = await people("owner", "bob")
    group = await group_of(rules, owner)
    application = await rules.applications.apply(bob, group.id)

    async def handle(approve: bool) -> bool:
        try:
            await rules.applications.handle(owner, application.id, approve)
        except DomainError:
            return False
        return True

    assert sum(await asyncio.gather(*(handle(True) for _ in range(4)))) == 1
    assert (await rules.conversations.get(bob.id, group.id)).member_count == 2


async def test_notices_of_what_happens_in_a_group(rules: Rules, people: People) -> None:
    owner, admin, bob = await people("owner", "admin", "bob")
    group = await group_of(rules, owner, admin, bob)
    change = rules.conversations.update_member
    await change(owner, group.id, admin.id, role=Role.ADMIN)
    await change(admin, group.id, bob.id, muted_until_ms=rules.clock.at_ms + 60_000)
    await change(admin, group.id, bob.id, muted_until_ms=0)
    await rules.conversations.remove_member(bob, group.id, bob.id)
    await rules.conversations.add_members(admin, group.id, [bob.id])
    await rules.conversations.remove_member(admin, group.id, bob.id)
    await change(owner, group.id, admin.id, role=Role.OWNER)
    await rules.conversations.delete(admin, group.id)
    assert await notices(rules, bob) == [
        (NoticeKind.INVITED, owner.id, bob.id),
        (NoticeKind.MUTED, admin.id, bob.id),
        (NoticeKind.UNMUTED, admin.id, bob.id),
        (NoticeKind.INVITED, admin.id, bob.id),
        (NoticeKind.KICKED, admin.id, bob.id),
    ]
    left = (NoticeKind.LEFT, bob.id, bob.id)
    assert await notices(rules, admin) == [
        (NoticeKind.INVITED, owner.id, admin.id),
        (NoticeKind.ROLE_SET, owner.id, admin.id),
        left,
        (NoticeKind.TRANSFERRED, owner.id, admin.id),
    ]
    assert await notices(rules, owner) == [left, (NoticeKind.DISMISSED, admin.id, admin.id)]


async def test_listing_reads_the_notices(rules: Rules, people: People) -> None:
    owner, bob = await people("owner", "bob")
    await group_of(rules, owner, bob)
    (first,) = await rules.applications.notices(bob.id)
    assert (first.is_read, first.group_name) == (False, "g")
    await group_of(rules, owner, bob)
    assert [view.is_read for view in await rules.applications.notices(bob.id)] == [False, True]
    assert [view.is_read for view in await rules.applications.notices(bob.id)] == [True, True]
