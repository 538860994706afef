"""The resume log: events as they are kept for clients that come back."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.events import BroadcastSent, Event, FriendRequested, MemberRemoved, MessageSent
from storage.sql.dialects import Turn
from storage.sql.record_tables import notification_causes
from storage.sql.tables import changes

_CAUSES: Final = tuple(f'{{"type":"{kind.__name__}"' for kind in (FriendRequested, BroadcastSent, MessageSent))
"""How events begin that become notifications. A message that is kept as an event was scheduled."""

_decoder: Final = msgspec.json.Decoder(reduce(or_, Event.__subclasses__()))
_encoder: Final = msgspec.json.Encoder()

TURN: Final = Turn(changes)


async def keep(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows of `change_rows`. The last thing of a transaction, because others wait until it has ended."""
    causes = [{"user_id": row["user_id"], "event": row["event"]} for row in rows if row["event"].startswith(_CAUSES)]
    if causes:
        await connection.execute(insert(notification_causes), causes)
    if rows:
        await TURN.take(connection)
        await connection.execute(insert(changes), rows)


async def keep_cause(connection: AsyncConnection, user_id: int, event: Event) -> None:
    """Of an event that no client resumes with: the user is to be notified of it."""
    values = {"user_id": user_id, "event": _encoder.encode(event).decode()}
    await connection.execute(insert(notification_causes), [values])


def change_rows(
    event: Event, conversation_id: int | None, at_ms: int, only_for: int | None = None
) -> list[dict[str, Any]]:
    """The rows that keep an event. Somebody who was removed reads the events of the conversation no longer, so a row of
    their own tells them."""
    row = {
        "conversation_id": conversation_id,
        "user_id": only_for,
        "event": _encoder.encode(event).decode(),
        "at_ms": at_ms,
    }
    if isinstance(event, MemberRemoved) and only_for is None:
        return [row, {**row, "user_id": event.user_id}]
    return [row]


def read_event(text: str) -> Event:
    event: Event = _decoder.decode(text)
    return event
