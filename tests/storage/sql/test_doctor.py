"""What is wrong with the rows is found, and what can be repaired is: on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from storage import DoctorStore, open_mysql, open_mysql_doctor, open_sqlite, open_sqlite_doctor
from storage.sql.tables import contacts, conversations, members, messages
from tests.storage.world import Clock, World
from tests.world import NOBODY


class Ward(World):
    """A world with some conversations, and the doctor who looks at it."""

    doctor: DoctorStore
    group_id: int
    single_id: int
    people: list[int]

    async def damage(self, *statements: object) -> None:
        async with self.stores.database.writing() as connection:
            for statement in statements:
                await connection.execute(statement)  # type: ignore[call-overload]

    async def texts(self, *, repair: bool = False) -> list[str]:
        return [str(finding) for finding in await self.doctor.examine(repair=repair)]


@pytest.fixture(params=["sqlite", "mysql"])
async def ward(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    clock = Clock()
    path = tmp_path / "feige.db"
    url = request.getfixturevalue("mysql_url") if request.param == "mysql" else ""
    stores = open_mysql(url, clock) if url else open_sqlite(path, clock)
    await stores.start()
    ward = Ward(stores, clock)
    ward.doctor = open_mysql_doctor(url) if url else open_sqlite_doctor(path)
    one, two, three = ward.people = await ward.users(3)
    group = await ward.group(one, [two, three])
    single = await ward.single(one, two)
    ward.group_id, ward.single_id = group.id, single.id
    for conversation in (group, single):
        await ward.send_all(conversation.id, one, ["a", "b", "c"])
        await ward.mark(conversation.id, two, (1, 2))
    yield ward
    await ward.doctor.close()
    await stores.close()


async def test_a_sound_database_has_no_findings(ward: Ward) -> None:
    assert await ward.texts(repair=True) == []
    assert await ward.doctor.schema_differences() == []
    name, clock_ms = await ward.doctor.server()
    assert (clock_ms is None) is name.startswith("SQLite")


async def test_counts_are_repaired(ward: Ward) -> None:
    await ward.damage(
        update(conversations).values(last_seq=1, newest_message_id=0, member_count=9),
        update(members).where(members.c.read_seq == 2).values(read_seq=50, delivered_seq=60),
    )
    found = await ward.texts()
    assert len(found) == 4
    assert not any("repaired" in text for text in found)
    assert all("repaired" in text for text in await ward.texts(repair=True))
    assert await ward.texts() == []
    # Messages can be sent again, and their numbers go on where they were.
    one, two, _ = ward.people
    message = await ward.send(ward.group_id, one)
    assert message.seq == 4
    assert (await ward.mark(ward.group_id, two)).read_seq == 3


async def test_what_cannot_be_repaired_is_told_every_time(ward: Ward) -> None:
    await ward.damage(delete(messages).where(messages.c.seq == 2))
    for repair in (True, False):
        (found,) = await ward.texts(repair=repair)
        assert "gap" in found
        assert f"2 ({ward.group_id}, {ward.single_id})" in found
        assert "repaired" not in found
    await ward.damage(delete(messages).where(messages.c.seq == 3))
    assert "last messages are missing" in "".join(await ward.texts())


async def test_a_group_without_an_owner(ward: Ward) -> None:
    await ward.damage(update(members).where(members.c.role == "owner").values(role="member"))
    assert await ward.texts(repair=True) == [f"groups without an owner: 1 ({ward.group_id})"]


async def test_rows_that_belong_to_nothing_are_deleted(ward: Ward) -> None:
    await ward.damage(
        insert(members).values(
            conversation_id=ward.group_id,
            user_id=NOBODY,
            role="member",
            status="active",
            joined_at_ms=1,
            updated_at_ms=1,
        ),
        update(conversations).where(conversations.c.id == ward.group_id).values(member_count=4),
        insert(contacts).values(user_id=ward.people[0], contact_id=NOBODY, created_at_ms=1, updated_at_ms=1),
    )
    found = await ward.texts(repair=True)
    assert len(found) == 3, found
    assert await ward.texts() == []


async def test_a_new_epoch(ward: Ward) -> None:
    before = await ward.stores.sync.epoch()
    epoch = await ward.doctor.new_epoch()
    assert epoch != before
    assert await ward.stores.sync.epoch() == epoch
