"""Files: limits, expiry, what a power cut may leave behind, and the clean-up."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import (
    DomainError,
    FileNotFound,
    Forbidden,
    QuotaExceeded,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from domain.file_types import FileCategory
from domain.files import Cleaned, FileLimits
from domain.model import Draft, MessageKind, Profile
from domain.ports import Appended
from domain.records import StoredFile
from tests.domain.conftest import People
from tests.images import png
from tests.world import START_MS, Rules

DAY_MS = 86_400_000


@pytest.fixture
async def rules(database: Path) -> AsyncIterator[Rules]:
    limits = FileLimits(max_file_bytes=100_000, quota_bytes=250_000)
    rules = Rules(database, file_limits=limits)
    await rules.start()
    yield rules
    await rules.close()


async def keep(rules: Rules, who: Profile, data: bytes = b"hello", **fields: Any) -> StoredFile:
    async with rules.files.receive(who.id) as upload:
        await upload.write(data)
        return await rules.files.keep(who.id, upload, **{"name": "a.txt"} | fields)


async def content(rules: Rules, who: Profile, file: StoredFile) -> bytes:
    download = await rules.files.open(who.id, file.file_id)
    return b"".join([chunk async for chunk in rules.files.content(download, 0, download.size)])


def stored(rules: Rules) -> list[Path]:
    return [path for path in (Path(rules.stores.path).parent / "blobs").rglob("*") if path.is_file()]


def made_at(path: Path, time_ms: int) -> None:
    os.utime(path, (time_ms / 1000, time_ms / 1000))


async def test_what_is_announced_is_refused_before_it_is_read(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    for announced, error in ((None, None), (100_000, None), (300_000, TooLarge), (2**70, TooLarge)):
        try:
            async with rules.files.receive(alice.id, announced):
                assert error is None
        except TooLarge:
            assert error is TooLarge
    for number in range(2):
        await keep(rules, alice, b"%d" % number * 100_000)
    with pytest.raises(QuotaExceeded):
        async with rules.files.receive(alice.id, 120_000):
            pytest.fail("there is no room for it")
    assert len(stored(rules)) == 2


async def test_what_is_too_much_is_refused_while_it_comes(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    async with rules.files.receive(alice.id) as upload:
        await upload.write(b"x" * 100_000)
        with pytest.raises(TooLarge):
            await upload.write(b"x")
    assert stored(rules) == []


async def test_categories_that_are_wanted(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    file = await keep(rules, alice, png(), wanted=FileCategory.IMAGE)
    assert file.category is FileCategory.IMAGE
    with pytest.raises(UnsupportedType):
        await keep(rules, alice, b"text", wanted=FileCategory.IMAGE)


async def test_files_keep_the_order_of_messages(rules: Rules, people: People) -> None:
    """Also beside texts, and where one of them is refused."""
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    file = await keep(rules, alice)
    outcomes: list[Appended | DomainError] = []
    for number in range(30):
        kind = (MessageKind.TEXT, MessageKind.FILE, MessageKind.FILE)[number % 3]
        file_id = (None, file.file_id, "nothing")[number % 3]
        draft = Draft(
            conversation_id=conversation.id, sender_id=alice.id, kind=kind, file_id=file_id, content=str(number)
        )
        rules.messages.submit(alice, draft, outcomes.append)
    async with asyncio.timeout(10):
        while len(outcomes) < 30:
            await asyncio.sleep(0.001)
    sent = [outcome.message for outcome in outcomes if isinstance(outcome, Appended)]
    assert [int(message.content) for message in sent] == [number for number in range(30) if number % 3 < 2]
    assert [message.seq for message in sent] == list(range(1, 21))
    assert all(isinstance(outcome, Appended | FileNotFound) for outcome in outcomes)


async def test_expiry(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    loose, held = await keep(rules, alice, b"1", expires=True), await keep(rules, alice, b"2", expires=True)
    assert loose.expires_at_ms == START_MS + 7 * DAY_MS
    conversation = await rules.conversations.open_single(alice, bob.id)
    draft = Draft(conversation_id=conversation.id, sender_id=alice.id, kind=MessageKind.FILE, file_id=held.file_id)
    message = (await rules.messages.send(alice, draft)).message
    rules.clock.at_ms += 7 * DAY_MS - 1
    assert await content(rules, alice, loose) == b"1"
    rules.clock.at_ms += 1
    with pytest.raises(FileNotFound):
        await rules.files.open(alice.id, loose.file_id)
    with pytest.raises(FileNotFound):
        await rules.files.delete(alice.id, loose.file_id)
    assert await content(rules, bob, held) == b"2"
    assert [file.file_id for file in (await rules.files.list_own(alice.id, offset=0, limit=9))[0]] == [held.file_id]
    assert await rules.files.clean() == Cleaned(expired_files=1)
    assert len(stored(rules)) == 1
    await rules.messages.delete(alice, message.id)
    assert await rules.files.clean() == Cleaned(expired_files=1)
    assert stored(rules) == []


async def test_the_clean_up_removes_what_nobody_names_once_it_is_old(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    file = await keep(rules, alice, png(), name="a.png")
    kept = stored(rules)
    old, young = "ab" * 32 + "-00000001", "ab" * 32 + "-00000002"
    await rules.blobs.put(old, b"orphan")
    await rules.blobs.put(young, b"upload that is not finished")
    spool = Path(rules.stores.path).parent / "blobs" / "incoming"
    for name, age_ms in (("old", 2 * DAY_MS), ("young", 1000)):
        (spool / name).write_bytes(b"x")
        made_at(spool / name, START_MS - age_ms)
    for path in (*kept, *(path for path in stored(rules) if path.name == old)):
        made_at(path, START_MS - 2 * DAY_MS)
    assert await rules.files.clean() == Cleaned(orphaned_blobs=1, unfinished_uploads=1)
    assert {path.name for path in stored(rules)} == {young, "young", *(path.name for path in kept)}
    assert await content(rules, alice, file) == png()
    assert await rules.files.clean() == Cleaned()


async def test_cleaning_in_turn(rules: Rules) -> None:
    assert await rules.files.clean_in_turn() == Cleaned()
    assert await rules.files.clean_in_turn() is None
    rules.clock.at_ms += 3_600_000
    assert await rules.files.clean_in_turn() == Cleaned()


@pytest.mark.parametrize("step", ["store", "put", "create"])
async def test_a_cut_between_the_steps_leaves_no_row_without_its_bytes(
    rules: Rules, people: People, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A power cut is a step that never returns; whether it was done does not matter."""
    (alice,) = await people("alice")
    target = {"store": rules.blobs, "put": rules.blobs, "create": rules.stores.files}[step]
    name = "_store" if step == "store" else step
    original = getattr(target, name)

    async def cut(*args: Any) -> Any:
        done = await original(*args)
        if done is None and step == "create":
            return None
        raise Unavailable("cut off")

    monkeypatch.setattr(target, name, cut)
    with pytest.raises(Unavailable):
        await keep(rules, alice, png(), name="a.png")
    monkeypatch.undo()
    files, count = await rules.files.list_own(alice.id, offset=0, limit=9)
    for file in files:
        assert await content(rules, alice, file) == png()
        thumbnail = await rules.files.open(alice.id, file.thumbnail_id)
        assert thumbnail.size > 0
    for path in stored(rules):
        made_at(path, START_MS - 2 * DAY_MS)
    await rules.files.clean()
    assert len(stored(rules)) == 2 * count
    again = await keep(rules, alice, png(), name="a.png")
    assert await content(rules, alice, again) == png()


async def test_a_race_for_the_quota_leaves_no_bytes(rules: Rules, people: People) -> None:
    """Those that lose it after their bytes were stored take them back."""
    (alice,) = await people("alice")
    outcomes = await asyncio.gather(
        *(keep(rules, alice, png(100 + number, 100) + b"\0" * 80_000) for number in range(6)), return_exceptions=True
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, StoredFile)]
    assert (len(won), sum(isinstance(outcome, QuotaExceeded) for outcome in outcomes)) == (3, 3)
    assert {path.name for path in stored(rules)} == {name for file in won for name in (file.blob, file.thumbnail_blob)}


async def test_uploads_and_deletions_of_the_same_bytes(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")

    async def coming_and_going(who: Profile) -> None:
        for _ in range(10):
            file = await keep(rules, who, b"the same")
            assert await content(rules, who, file) == b"the same"
            await rules.files.delete(who.id, file.file_id)

    await asyncio.gather(*(coming_and_going(who) for who in (alice, bob) for _ in range(2)))
    assert stored(rules) == []


async def test_only_the_uploader_deletes(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    file = await keep(rules, alice, is_public=True)
    with pytest.raises(Forbidden):
        await rules.files.delete(bob.id, file.file_id)
    done = await asyncio.gather(*(rules.files.delete(alice.id, file.file_id) for _ in range(4)), return_exceptions=True)
    assert done.count(None) == 1
    assert sum(isinstance(each, FileNotFound) for each in done) == 3
