"""Events of groups on sockets: who hears what, in order, whoever caused it."""

from tests.e2e import wire
from tests.e2e.conftest import People
from tests.e2e.server import ServerProcess


async def test_the_life_of_a_group(server: ServerProcess, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    async with (
        wire.im(server, alice) as owner,
        wire.im(server, bob) as web,
        wire.native(server, bob) as phone,
        wire.native(server, carol) as newcomer,
    ):
        group = await alice.group(bob)
        created = (await web.wait("conversation_created"))["data"]
        assert created["participant_ids"] == [alice.id, bob.id]
        await phone.wait("conversation_created")
        path = f"/api/v1/conversations/{group}"
        await alice.request("PUT", path, json={"name": "renamed"})
        assert (await web.wait("conversation_updated"))["data"]["update_type"] == "name_updated"
        await alice.request("PUT", path, json={"name": "again", "watermark_text": "机密"})
        assert (await web.wait("watermark_updated"))["data"]["watermark_text"] == "机密"
        await bob.request("POST", f"{path}/members", json={"user_ids": [carol.id]})
        assert (await web.wait("member_added"))["data"]["added_user_ids"] == [carol.id]
        await newcomer.wait("members_added")
        await alice.request("PUT", f"{path}/members/{bob.id}", json={"role": "admin"})
        role = (await web.wait("role_changed"))["data"]
        assert (role["old_role"], role["new_role"], role["target_user_id"]) == ("member", "admin", bob.id)
        await bob.request("DELETE", f"{path}/members/{carol.id}", status=204)
        removed = await newcomer.wait("member_removed")
        assert removed["user_id"] == carol.id
        await phone.tell(type="send", id=1, conversation_id=group, content="without carol")
        await phone.wait("ack", id=1)
        await newcomer.nothing_but("presence")
        await owner.wait("new_message")
        await alice.request("DELETE", path, status=204)
        await web.wait("conversation_deleted")
        await phone.tell(type="send", id=2, conversation_id=group, content="too late")
        assert (await phone.wait("error", id=2))["code"] == "conversation_not_found"
        await alice.request("GET", path, status=404)


async def test_a_muted_member_is_refused_until_the_mute_ends(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await alice.group(bob)
    path = f"/api/v1/conversations/{group}/members/{bob.id}"
    async with wire.native(server, bob) as phone:
        await alice.request("PUT", path, json={"muted_until": "2099-01-01T00:00:00Z"})
        await phone.tell(type="send", id=1, conversation_id=group, content="x")
        assert (await phone.wait("error", id=1))["code"] == "muted"
        await alice.request("PUT", path, json={"muted_until": "2020-01-01T00:00:00Z"})
        await phone.tell(type="send", id=2, conversation_id=group, content="x")
        await phone.wait("ack", id=2)


async def test_reading_is_seen_by_the_sender_and_by_ones_other_devices(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    async with wire.native(server, alice) as sender, wire.native(server, bob) as phone, wire.im(server, bob) as web:
        for number in range(3):
            await sender.tell(type="send", id=number, conversation_id=conversation, content=str(number))
        last = (await phone.wait("message", seq=3))["message_id"]
        count = await bob.request("GET", "/api/v1/messages/unread/count")
        assert count["unread_count"] == 3
        await web.tell(type="read", conversation_id=conversation, message_ids=[last])
        receipt = await sender.wait("receipt")
        assert (receipt["user_id"], receipt["read_seq"]) == (bob.id, 3)
        await phone.wait("receipt")
        assert (await bob.request("GET", "/api/v1/messages/unread/count"))["unread_count"] == 0
        await phone.tell(type="mark", id=9, conversation_id=conversation, read_seq=1)
        await phone.wait("done", id=9)
        await sender.nothing_but("presence")
        receipts = await alice.request("GET", f"/api/v1/messages/{last}/read-receipts")
        assert [each["user_id"] for each in receipts["receipts"]] == [bob.id]
