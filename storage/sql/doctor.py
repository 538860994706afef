"""What the administrator's commands ask of a database: is it sound, can it be repaired, what time is it there."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Delete, Select, Table, Update, case, delete, exists, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Unavailable
from domain.model import ConversationKind, ConversationStatus, MemberStatus, Role
from storage.sql import migrations, mysql, sqlite
from storage.sql import record_tables as records
from storage.sql.errors import DRIVER_ERRORS, CannotOpen
from storage.sql.mysql_url import Target
from storage.sql.tables import (
    changes,
    contacts,
    conversations,
    hidden_messages,
    logins,
    members,
    message_timers,
    messages,
    meta,
    receipts,
    users,
)

EXAMPLES: Final = 5


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong. `examples` are ids of some of the `count` rows."""

    text: str
    count: int
    examples: Sequence[Any] = ()
    is_repaired: bool = False

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.examples))
        where = f": {self.count} ({shown}{', …' if self.count > len(self.examples) else ''})" if shown else ""
        return f"{self.text}{where}{'; repaired' if self.is_repaired else ''}"


class Check(msgspec.Struct, frozen=True):
    """Rows that must not be there: one column that names each, and what mends all of them, if that can be done."""

    text: str
    wrong: Select[Any]
    repair: Update | Delete | None = None


_of_conversation: Final = (messages.c.conversation_id == conversations.c.id) & (messages.c.seq > 0)
_top_seq: Final = select(func.coalesce(func.max(messages.c.seq), 0)).where(_of_conversation).scalar_subquery()
_top_id: Final = select(func.coalesce(func.max(messages.c.id), 0)).where(_of_conversation).scalar_subquery()
_active_members: Final = (
    select(func.count())
    .select_from(members)
    .where(members.c.conversation_id == conversations.c.id, members.c.status == MemberStatus.ACTIVE.value)
    .scalar_subquery()
)
_last_seq: Final = (
    select(conversations.c.last_seq).where(conversations.c.id == members.c.conversation_id).scalar_subquery()
)
_is_active: Final = conversations.c.status == ConversationStatus.ACTIVE.value


def _conversations(*wrong: Any) -> Select[Any]:
    return select(conversations.c.id).where(*wrong)


COUNTS: Final = (
    Check(
        "conversations whose message numbers have a gap",
        select(messages.c.conversation_id)
        .where(messages.c.seq > 0)
        .group_by(messages.c.conversation_id)
        .having(or_(func.min(messages.c.seq) != 1, func.max(messages.c.seq) != func.count())),
    ),
    Check(
        "conversations whose last_seq is below their last message, so that nothing can be sent",
        _conversations(conversations.c.last_seq < _top_seq),
        update(conversations).where(conversations.c.last_seq < _top_seq).values(last_seq=_top_seq),
    ),
    Check(
        "conversations whose last messages are missing",
        _conversations(conversations.c.last_seq > _top_seq),
    ),
    Check(
        "conversations whose newest_message_id is not that of their newest message",
        _conversations(conversations.c.newest_message_id != _top_id),
        update(conversations).where(conversations.c.newest_message_id != _top_id).values(newest_message_id=_top_id),
    ),
    Check(
        "conversations whose member_count is not the number of their members",
        _conversations(_is_active, conversations.c.member_count != _active_members),
        update(conversations)
        .where(_is_active, conversations.c.member_count != _active_members)
        .values(member_count=_active_members),
    ),
    Check(
        "groups without an owner",
        _conversations(
            _is_active,
            conversations.c.kind == ConversationKind.GROUP.value,
            ~exists().where(
                members.c.conversation_id == conversations.c.id,
                members.c.status == MemberStatus.ACTIVE.value,
                members.c.role == Role.OWNER.value,
            ),
        ),
    ),
    Check(
        "members who have read or received more than there is, so that their unread counts are wrong",
        select(members.c.id).where(or_(members.c.read_seq > _last_seq, members.c.delivered_seq > _last_seq)),
        update(members)
        .where(or_(members.c.read_seq > _last_seq, members.c.delivered_seq > _last_seq))
        .values(
            read_seq=case((members.c.read_seq > _last_seq, _last_seq), else_=members.c.read_seq),
            delivered_seq=case((members.c.delivered_seq > _last_seq, _last_seq), else_=members.c.delivered_seq),
        ),
    ),
)


def _orphans(child: Table, column: str, parent: Table, key: str = "id", *, delete_them: bool = True) -> Check:
    refers: Column[Any] = child.c[column]
    is_orphan = refers.is_not(None) & ~exists().where(parent.c[key] == refers)
    name = next(iter(child.primary_key.columns))
    return Check(
        f"rows of {child.name} whose {column} is in no row of {parent.name}",
        select(name).where(is_orphan),
        delete(child).where(is_orphan) if delete_them else None,
    )


ORPHANS: Final = (
    _orphans(messages, "conversation_id", conversations, delete_them=False),
    _orphans(members, "conversation_id", conversations),
    _orphans(members, "user_id", users),
    _orphans(receipts, "conversation_id", conversations),
    _orphans(hidden_messages, "conversation_id", conversations),
    _orphans(changes, "conversation_id", conversations),
    _orphans(message_timers, "message_id", messages),
    _orphans(logins, "user_id", users),
    _orphans(contacts, "user_id", users),
    _orphans(contacts, "contact_id", users),
    _orphans(records.friend_requests, "from_user_id", users),
    _orphans(records.friend_requests, "to_user_id", users),
    _orphans(records.group_applications, "conversation_id", conversations),
    _orphans(records.invite_codes, "conversation_id", conversations),
    _orphans(records.file_shares, "file_id", records.files),
    _orphans(records.notification_records, "notification_id", records.notifications),
    _orphans(records.notification_deliveries, "record_id", records.notification_records),
    _orphans(records.notification_fan_outs, "notification_id", records.notifications),
    _orphans(records.broadcast_targets, "broadcast_id", records.broadcasts),
)


class DoctorStore:
    """An open database, whatever its schema. Reads whole tables: not for every minute. Every method may raise
    StoreError; `close` it."""

    def __init__(
        self,
        begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        close: Callable[[], Awaitable[None]],
        place: str,
        reason: Callable[[Exception], str],
    ) -> None:
        """`begin` opens a transaction."""
        self._begin_any = begin
        self.close = close
        self._place = place
        self._reason = reason

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._begin_any() as connection:
                yield connection
        except (*DRIVER_ERRORS, Unavailable, OSError) as error:
            raise CannotOpen(f"the database {self._place} cannot be used: {self._reason(error)}") from error

    async def revision(self) -> str | None:
        """The version of its schema; None if it is empty. ForeignDatabase, NewerDatabase."""
        async with self._begin() as connection:
            return await connection.run_sync(migrations.current)

    async def migrate(self, revision: str | None) -> None:
        """To a version, up or down; None is the one of this program."""
        async with self._begin() as connection:
            await connection.run_sync(migrations.migrate, revision)

    async def examine(self, *, repair: bool) -> list[Finding]:
        """All that is wrong with the rows. What can be repaired is, if `repair`, each kind in a transaction of its
        own; orphans first, because deleting a member changes a count."""
        return [finding for check in (*ORPHANS, *COUNTS) if (finding := await self._run(check, repair)) is not None]

    async def _run(self, check: Check, repair: bool) -> Finding | None:
        async with self._begin() as connection:
            count = await connection.scalar(select(func.count()).select_from(check.wrong.subquery())) or 0
            if not count:
                return None
            examples = (await connection.scalars(check.wrong.limit(EXAMPLES))).all()
            if repair and check.repair is not None:
                await connection.execute(check.repair)
            return Finding(check.text, count, examples, repair and check.repair is not None)

    async def schema_differences(self) -> list[Finding]:
        """Between the tables and what this program declares, such as an index that somebody dropped."""
        async with self._begin() as connection:
            found = await connection.run_sync(migrations.differences)
        if not found:
            return []
        return [Finding("the schema is not as declared", len(found), [str(each)[:200] for each in found[:EXAMPLES]])]

    async def server(self) -> tuple[str, int | None]:
        """Name and version of the database, and its clock in milliseconds; SQLite has none of its own."""
        async with self._begin() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
            if connection.dialect.name == "sqlite":
                return f"SQLite {version}", None
            name = "MariaDB" if getattr(connection.dialect, "is_mariadb", False) else "MySQL"
            now_ms = await connection.scalar(text("SELECT ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000)"))
            return f"{name} {version}", int(now_ms or 0)

    async def new_epoch(self) -> str:
        """Says that the history before this moment is another one: clients that resume start afresh."""
        epoch = secrets.token_hex(8)
        async with self._begin() as connection:
            await connection.execute(update(meta).where(meta.c.name == "epoch").values(value=epoch))
        return epoch


def open_sqlite_doctor(path: Path) -> DoctorStore:
    """On a file that exists. A reader keeps no writer waiting; who repairs must be alone."""
    engine = sqlite.create_engine(path, "BEGIN")
    return DoctorStore(engine.begin, engine.dispose, str(path), sqlite.reason)


def open_mysql_doctor(url: str) -> DoctorStore:
    """On a database that exists. CannotOpen: the URL cannot be used."""
    target = Target(url)

    async def close() -> None:
        """Every transaction has a connection of its own."""

    return DoctorStore(partial(mysql.migrating, target), close, str(target), mysql.reason)
