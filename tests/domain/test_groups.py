"""Invite codes, statistics and the search for public groups."""

import asyncio

import pytest

from domain.errors import ConversationNotFound, Forbidden, InvalidState, InvalidValue, NotAMember
from domain.events import Event, MembersAdded
from domain.groups import ACTIVE_MS, CODE_LIFETIME_MS, MAX_CODES
from domain.model import Conversation, Draft, Profile, Role
from tests.domain.conftest import People
from tests.world import Rules


async def group_of(rules: Rules, owner: Profile, *others: Profile, **fields: bool | int | str) -> Conversation:
    given = {"name": "g"} | fields
    return await rules.conversations.create_group(owner, [other.id for other in others], **given)  # type: ignore[arg-type]


async def test_who_has_a_code_joins(rules: Rules, people: People) -> None:
    owner, bob = await people("owner", "bob")
    group = await group_of(rules, owner)
    code = await rules.groups.invite(owner, group.id)
    heard: list[tuple[Event, set[int]]] = []
    rules.bus.subscribe(lambda event, audience, *_: heard.append((event, set(audience.user_ids))))
    joined = await rules.groups.join(bob, f" {code.code.lower()} ")
    assert (joined.id, joined.member_count) == (group.id, 2)
    ((event, audience),) = heard
    assert isinstance(event, MembersAdded)
    assert (event.operator_id, event.added, event.participant_ids) == (bob.id, (bob,), (owner.id, bob.id))
    assert audience == {owner.id, bob.id}
    assert (await rules.groups.join(bob, code.code)).member_count == 2
    assert len(heard) == 1


async def test_a_code_lives_seven_days(rules: Rules, people: People) -> None:
    owner, bob, carol = await people("owner", "bob", "carol")
    group = await group_of(rules, owner)
    code = await rules.groups.invite(owner, group.id)
    assert code.expires_at_ms == rules.clock.now_ms() + CODE_LIFETIME_MS == rules.clock.now_ms() + 604_800_000
    rules.clock.at_ms = code.expires_at_ms - 1
    await rules.groups.join(bob, code.code)
    rules.clock.at_ms += 1
    with pytest.raises(InvalidValue):
        await rules.groups.join(carol, code.code)


async def test_codes_are_all_different_and_unknown_ones_refused(rules: Rules, people: People) -> None:
    owner, bob = await people("owner", "bob")
    group = await group_of(rules, owner)
    codes = [(await rules.groups.invite(owner, group.id)).code for _ in range(MAX_CODES + 1)]
    assert len(set(codes)) == len(codes)
    for refused in ("", "ABC123DEF", codes[0] + "A"):
        with pytest.raises(InvalidValue):
            await rules.groups.join(bob, refused)
    kept = [code for code in codes if await rules.stores.groups.code(code)]
    assert len(kept) == MAX_CODES
    assert codes[-1] in kept


async def test_members_invite_only_where_allowed(rules: Rules, people: People) -> None:
    owner, admin, member, stranger = await people("owner", "admin", "member", "stranger")
    group = await group_of(rules, owner, admin, member, allow_invite=False)
    await rules.conversations.update_member(owner, group.id, admin.id, role=Role.ADMIN)
    for allowed in (owner, admin):
        await rules.groups.invite(allowed, group.id)
    with pytest.raises(Forbidden):
        await rules.groups.invite(member, group.id)
    with pytest.raises(NotAMember):
        await rules.groups.invite(stranger, group.id)
    single = await rules.conversations.open_single(owner, member.id)
    with pytest.raises(InvalidState):
        await rules.groups.invite(owner, single.id)


async def test_a_code_can_do_no_more_than_its_creator(rules: Rules, people: People) -> None:
    owner, member, bob = await people("owner", "member", "bob")
    group = await group_of(rules, owner, member)
    code = (await rules.groups.invite(member, group.id)).code
    await rules.conversations.update(owner, group.id, allow_invite=False)
    with pytest.raises(InvalidValue):
        await rules.groups.join(bob, code)
    await rules.conversations.update(owner, group.id, allow_invite=True)
    await rules.conversations.remove_member(owner, group.id, member.id)
    with pytest.raises(InvalidValue):
        await rules.groups.join(bob, code)
    with pytest.raises(InvalidValue):
        await rules.groups.join(member, code)


async def test_full_and_dissolved_groups_take_nobody(rules: Rules, people: People) -> None:
    owner, bob, carol = await people("owner", "bob", "carol")
    group = await group_of(rules, owner, max_members=2)
    code = (await rules.groups.invite(owner, group.id)).code

    async def join(who: Profile) -> bool:
        try:
            await rules.groups.join(who, code)
        except InvalidValue:
            return False
        return True

    assert sorted(await asyncio.gather(join(bob), join(carol))) == [False, True]
    await rules.conversations.delete(owner, group.id)
    with pytest.raises(ConversationNotFound):
        await rules.groups.join(carol, code)


async def test_history_is_shown_to_who_joins_by_code_only_if_the_group_says_so(rules: Rules, people: People) -> None:
    owner, bob = await people("owner", "bob")
    for is_visible in (True, False):
        group = await group_of(rules, owner, history_visible=is_visible)
        await rules.messages.send(owner, Draft(conversation_id=group.id, sender_id=owner.id, content="before"))
        await rules.groups.join(bob, (await rules.groups.invite(owner, group.id)).code)
        messages, _ = await rules.messages.history(bob.id, group.id, limit=10)
        assert [message.content for message in messages] == (["before"] if is_visible else [])


async def test_statistics(rules: Rules, people: People) -> None:
    owner, writer, reader, silent = await people("owner", "writer", "reader", "silent")
    group = await group_of(rules, owner, writer, reader, silent)
    stats = await rules.groups.stats(silent.id, group.id)
    assert (stats.member_count, stats.message_count, stats.active_members) == (4, 0, 4)
    assert stats.created_at_ms == group.created_at_ms
    rules.clock.at_ms += ACTIVE_MS + 1
    assert (await rules.groups.stats(owner.id, group.id)).active_members == 0
    sent = await rules.messages.send(writer, Draft(conversation_id=group.id, sender_id=writer.id, content="x"))
    await rules.messages.mark_messages(reader.id, group.id, [sent.message.id])
    await rules.messages.recall(writer, sent.message.id)
    stats = await rules.groups.stats(owner.id, group.id)
    assert (stats.member_count, stats.message_count, stats.active_members) == (4, 1, 2)
    await rules.conversations.remove_member(owner, group.id, writer.id)
    stats = await rules.groups.stats(owner.id, group.id)
    assert (stats.member_count, stats.active_members) == (3, 1)
    with pytest.raises(NotAMember):
        await rules.groups.stats(writer.id, group.id)
    single = await rules.conversations.open_single(owner, reader.id)
    with pytest.raises(InvalidState):
        await rules.groups.stats(owner.id, single.id)


async def test_only_public_groups_are_found(rules: Rules, people: People) -> None:
    (owner,) = await people("owner")
    public = await group_of(rules, owner, name="技术交流群")
    await group_of(rules, owner, name="技术内部群", is_public=False)
    gone = await group_of(rules, owner, name="技术旧群")
    await rules.conversations.delete(owner, gone.id)
    assert [group.id for group in (await rules.groups.search("技术"))[0]] == [public.id]
    await rules.conversations.update(owner, public.id, is_public=False)
    assert await rules.groups.search("技术") == ([], 0)
    await rules.conversations.update(owner, public.id, is_public=True, name="Other")
    assert (await rules.groups.search("技术"))[1] == 0
    assert (await rules.groups.search("oTHER"))[1] == 1
