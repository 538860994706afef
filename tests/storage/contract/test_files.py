"""Contract of FileStore, and of files that the message log attaches."""

import asyncio
from typing import Any

import pytest

from domain.answer import answer
from domain.errors import FileNotFound, Forbidden, InvalidValue, QuotaExceeded
from domain.events import MessageRecalled
from domain.model import Draft, FileRef, MemberStatus, Message, MessageKind, MessageState, Role
from domain.records import StoredFile
from tests.storage.world import World


def a_file(uploader_id: int, file_id: str = "one", **fields: Any) -> StoredFile:
    values: dict[str, Any] = {
        "id": 0,
        "file_id": file_id,
        "uploader_id": uploader_id,
        "name": "飞鸽.txt",
        "size": 10,
        "mime": "text/plain",
        "path": "2025/01/08/x.txt",
        "sha256": "ab" * 32,
        "etag": "cd" * 16,
        "blob": f"blob-{file_id}",
        "created_at_ms": 5,
    }
    return StoredFile(**values | fields)


async def create(world: World, file: StoredFile, quota_bytes: int = 0) -> StoredFile:
    created = await world.stores.files.create(file, quota_bytes)
    assert created is not None
    return created


async def access(world: World, user_id: int, file_id: str = "one") -> tuple[bool, bool]:
    """Held, and seen by the user."""
    found = await world.stores.files.access(file_id, user_id)
    assert found is not None
    return found.is_held, found.is_seen


async def share(world: World, conversation_id: int, sender_id: int, file_id: str = "one", **fields: Any) -> Message:
    return await world.send(conversation_id, sender_id, "", kind=MessageKind.FILE, file_id=file_id, **fields)


async def recall(world: World, message: Message) -> None:
    async with world.stores.messages.edit(message.id) as edit:
        edit.set(lambda new: MessageRecalled(new, new.sender_id, 5), state=MessageState.RECALLED, attachment=None)


async def test_a_file_comes_back_as_it_was_created(world: World) -> None:
    (one,) = await world.users(1)
    whole = a_file(one, thumbnail_blob="t", description="说明", is_public=True, expires_at_ms=99, download_count=3)
    created = await create(world, whole)
    assert created.id > 0
    found = await world.stores.files.access("one", one)
    assert found is not None
    assert found.file == created
    assert {name: getattr(created, name) for name in created.__struct_fields__ if name != "id"} == {
        name: getattr(whole, name) for name in whole.__struct_fields__ if name != "id"
    }
    assert await world.stores.files.access("two", one) is None


async def test_blobs_of_equal_files_are_shared(world: World) -> None:
    one, two = await world.users(2)
    files = world.stores.files
    assert await files.create(a_file(one, blob=""), 0) is None, "nobody has these bytes yet"
    assert await files.access("one", one) is None
    await create(world, a_file(one, thumbnail_blob="thumb"))
    shared = await create(world, a_file(two, "two", blob=""))
    assert (shared.blob, shared.thumbnail_blob) == ("blob-one", "thumb")
    first = await files.access("one", one)
    assert first is not None
    assert await files.delete(first.file) == []
    assert await files.unreferenced(["blob-one", "thumb", "other"]) == ["other"]
    assert await files.delete(shared) == ["blob-one", "thumb"]
    assert await files.delete(shared) is None
    assert await files.create(a_file(one, "three", blob=""), 0) is None


async def test_a_blob_that_was_handed_out_is_never_shared_again(world: World) -> None:
    """Deletions of the last file race with uploads of the same bytes."""
    (one,) = await world.users(1)
    files = world.stores.files
    for attempt in range(15):
        last = await create(world, a_file(one, f"last{attempt}", blob=f"blob{attempt}"))
        freed, shared = await asyncio.gather(files.delete(last), files.create(a_file(one, f"n{attempt}", blob=""), 0))
        if shared is not None:
            assert freed is not None
            assert shared.blob not in freed
            await files.delete(shared)


async def test_of_many_who_delete_a_file_one_did(world: World) -> None:
    (one,) = await world.users(1)
    file = await create(world, a_file(one))
    outcomes = await asyncio.gather(*(world.stores.files.delete(file) for _ in range(5)))
    assert [each for each in outcomes if each is not None] == [[file.blob]]


async def test_quotas_are_never_exceeded(world: World) -> None:
    one, two = await world.users(2)

    async def attempt(number: int) -> bool:
        try:
            await create(world, a_file(one, f"f{number}"), quota_bytes=35)
        except QuotaExceeded:
            return False
        return True

    outcomes = await asyncio.gather(*map(attempt, range(8)))
    assert sorted(outcomes) == [False] * 5 + [True] * 3
    assert await world.stores.files.used_bytes(one) == 30
    assert await world.stores.files.used_bytes(two) == 0
    await create(world, a_file(two), quota_bytes=10)


async def test_lists(world: World) -> None:
    one, two = await world.users(2)
    for number in range(5):
        await create(world, a_file(one, f"f{number}", expires_at_ms=100 if number == 4 else None))
    await create(world, a_file(two))
    files, total = await world.stores.files.list_for(one, 99, offset=1, limit=2)
    assert ([file.file_id for file in files], total) == (["f3", "f2"], 5)
    files, total = await world.stores.files.list_for(one, 100, offset=0, limit=2)
    assert ([file.file_id for file in files], total) == (["f3", "f2"], 4)


async def test_downloads_are_counted_in_parallel(world: World) -> None:
    (one,) = await world.users(1)
    file = await create(world, a_file(one))
    await asyncio.gather(*(world.stores.files.count_download(file) for _ in range(10)))
    found = await world.stores.files.access("one", one)
    assert found is not None
    assert found.file.download_count == 10


async def test_who_sees_a_message_sees_its_file(world: World) -> None:
    one, two, three = await world.users(3)
    file = await create(world, a_file(one))
    group = await world.group(one, [two])
    assert await access(world, two) == (False, False)
    message = await share(world, group.id, one)
    assert message.attachment == FileRef(file.id, "one", "飞鸽.txt", "2025/01/08/x.txt", 10, "text/plain")
    assert await access(world, two) == (True, True)
    assert await access(world, three) == (True, False)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.add([three], Role.MEMBER, 5, visible_after_seq=message.seq)
        await edit.set_member(two, status=MemberStatus.LEFT)
    assert await access(world, two) == (True, False)
    assert await access(world, three) == (True, False)
    again = await share(world, group.id, one)
    assert await access(world, three) == (True, True)
    await recall(world, again)
    assert await access(world, three) == (True, False)
    await recall(world, message)
    assert await access(world, one) == (False, False)


async def test_scheduled_messages_hold_but_do_not_show(world: World) -> None:
    one, two = await world.users(2)
    await create(world, a_file(one))
    await share(world, (await world.single(one, two)).id, one, send_at_ms=10**12)
    assert await access(world, two) == (True, False)


@pytest.mark.parametrize(
    ("sender", "fields", "error"),
    [
        (0, {"file_id": "nothing"}, FileNotFound),
        (0, {"file_id": "expired"}, FileNotFound),
        (1, {"file_id": "one"}, Forbidden),
        (0, {"file_id": "one", "kind": MessageKind.IMAGE}, InvalidValue),
        (1, {"file_id": "public"}, None),
        (0, {"file_id": "one"}, None),
    ],
)
async def test_what_may_be_attached(
    world: World, sender: int, fields: dict[str, Any], error: type[Exception] | None
) -> None:
    users = await world.users(2)
    await create(world, a_file(users[0]))
    await create(world, a_file(users[0], "public", is_public=True))
    await create(world, a_file(users[0], "expired", expires_at_ms=world.clock.time_ms))
    conversation = await world.single(*users)
    draft = Draft(conversation_id=conversation.id, sender_id=users[sender], **{"kind": MessageKind.FILE} | fields)
    # One that is refused spoils nothing for those in the same batch.
    outcomes = await asyncio.gather(
        world.send(conversation.id, users[0], "before"),
        answer(lambda done: world.stores.log.append(draft, done)),
        world.send(conversation.id, users[0], "after"),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], error) if error else not isinstance(outcomes[1], Exception)
    assert [outcome.content for outcome in (outcomes[0], outcomes[2]) if isinstance(outcome, Message)] == [
        "before",
        "after",
    ]


async def test_a_retry_finds_its_message_though_the_file_is_gone(world: World) -> None:
    one, two = await world.users(2)
    file = await create(world, a_file(one))
    conversation = await world.single(one, two)
    first = await share(world, conversation.id, one, client_msg_id="k")
    await world.stores.files.delete(file)
    assert await share(world, conversation.id, one, client_msg_id="k") == first
    with pytest.raises(FileNotFound):
        await share(world, conversation.id, one)


async def test_expired_files_go_unless_a_message_holds_them(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    for name, expires_at_ms in (("held", 2_000_000), ("free", 2_000_000), ("later", 2_000_001), ("never", None)):
        await create(world, a_file(one, name, expires_at_ms=expires_at_ms, thumbnail_blob=f"thumb-{name}"))
    message = await share(world, conversation.id, one, "held")
    files = world.stores.files
    assert await files.delete_expired(1_999_999, 10) == (0, [])
    assert await files.delete_expired(2_000_000, 10) == (1, ["blob-free", "thumb-free"])
    await recall(world, message)
    assert await files.delete_expired(2_000_001, 1) == (1, ["blob-held", "thumb-held"])
    assert await files.delete_expired(2_000_001, 1) == (1, ["blob-later", "thumb-later"])
    assert await files.delete_expired(2_000_001, 1) == (0, [])
    remaining, _ = await files.list_for(one, 0, offset=0, limit=9)
    assert [file.file_id for file in remaining] == ["never"]


async def test_one_process_cleans_at_a_time(world: World) -> None:
    files = world.stores.files
    claims = await asyncio.gather(*(files.claim_cleaning(1000, 2000) for _ in range(4)))
    assert sorted(claims) == [False, False, False, True]
    assert not await files.claim_cleaning(1999, 3000)
    assert await files.claim_cleaning(2000, 3000)
