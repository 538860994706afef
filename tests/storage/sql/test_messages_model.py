"""Sending, editing, recalling and reading against a model: a list of messages; and resuming from any moment."""

import asyncio
from collections.abc import Callable

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.events import MessageEdited, MessageRecalled
from domain.model import Message, MessageState, Profile
from tests.storage.world import Clock, Stores, World

SOMEBODY = Profile(1, "somebody", "somebody")


def test_the_store_follows_the_model(open_any: Callable[[Clock], Stores]) -> None:
    with asyncio.Runner() as runner:
        clock = Clock()
        stores = open_any(clock)
        runner.run(stores.start())
        world = World(stores, clock)
        users = runner.run(world.users(2))

        class Conversing(RuleBasedStateMachine):
            @initialize()
            def begin(self) -> None:
                self.conversation_id = runner.run(world.group(users[0], [users[1]])).id
                self.messages: list[Message] = []
                self.read = dict.fromkeys(users, 0)
                self.replicas: list[tuple[str, dict[int, Message]]] = []

            @rule(sender=st.sampled_from(users), texts=st.lists(st.text(max_size=5), max_size=5), silent=st.booleans())
            def send(self, sender: int, texts: list[str], silent: bool) -> None:
                async def send() -> list[Message]:
                    return list(
                        await asyncio.gather(
                            *(world.send(self.conversation_id, sender, text, is_silent=silent) for text in texts)
                        )
                    )

                self.messages += runner.run(send())

            @precondition(lambda self: self.messages)
            @rule(data=st.data(), text=st.text(max_size=5), recall=st.booleans())
            def edit(self, data: st.DataObject, text: str, recall: bool) -> None:
                index = data.draw(st.integers(0, len(self.messages) - 1))

                async def edit() -> Message:
                    async with world.stores.messages.edit(self.messages[index].id) as edit:
                        if recall:
                            return edit.set(
                                lambda new: MessageRecalled(new, 1, 5), content="", state=MessageState.RECALLED
                            )
                        if edit.message.is_gone:
                            return edit.message
                        return edit.set(
                            lambda new: MessageEdited(new, SOMEBODY), content=text, state=MessageState.EDITED
                        )

                self.messages[index] = runner.run(edit())

            @rule(user=st.sampled_from(users), seq=st.integers(1, 20))
            def mark(self, user: int, seq: int) -> None:
                marked = runner.run(world.mark(self.conversation_id, user, (1, seq)))
                self.read[user] = max(self.read[user], min(seq, len(self.messages)))
                assert marked.read_seq == self.read[user]

            @rule()
            def go_away(self) -> None:
                known = {message.id: message for message in self.messages}
                self.replicas.append((runner.run(world.stores.sync.position()), known))

            @invariant()
            def history_is_the_model(self) -> None:
                page, more = runner.run(world.stores.messages.history(1, self.conversation_id, limit=1000, newest=True))
                assert (page, more) == (self.messages, False)

            @invariant()
            def unread_is_counted(self) -> None:
                for user in users:
                    counting = [
                        message
                        for message in self.messages[self.read[user] :]
                        if message.sender_id != user and not message.is_gone and not message.is_silent
                    ]
                    unread = runner.run(world.stores.messages.unread(user, self.conversation_id))
                    assert unread == len(counting)

            @invariant()
            def whoever_comes_back_is_where_the_others_are(self) -> None:
                now = {message.id: message for message in self.messages}
                for position, known in self.replicas:
                    missed = runner.run(world.stores.sync.missed(users[1], position, {}, 1000))
                    assert missed is not None
                    replica = known | {message.id: message for message in missed.messages}
                    for event in missed.events:
                        if isinstance(event, (MessageEdited, MessageRecalled)):
                            replica[event.message.id] = event.message
                    assert replica == now
                    assert msgspec.json.encode(missed.events)

        run_state_machine_as_test(Conversing, settings=settings(max_examples=15, stateful_step_count=15, deadline=None))
        runner.run(stores.close())
