"""Run as a process of its own: appends to the conversations it is given, with resends, and says what was answered."""

import asyncio
import json
import random
import sys

from domain.answer import answer
from domain.model import Draft
from domain.ports import Mark
from storage import open_mysql

RESENT = 0.03


async def main(url: str, name: str, count: int, conversation_ids: list[int]) -> None:
    rng = random.Random(name)
    stores = open_mysql(url)
    await stores.start()
    answers: list[tuple[str, int, int, int, bool]] = []

    async def sender(number: int) -> None:
        for turn in range(count):
            conversation_id = rng.choice(conversation_ids)
            # What is sent again is sent by the other process too, at about the same time.
            is_shared = rng.random() < RESENT
            key = f"shared-{number}-{turn}" if is_shared else f"{name}-{number}-{turn}"
            if is_shared:
                conversation_id = conversation_ids[turn % len(conversation_ids)]
            draft = Draft(conversation_id=conversation_id, sender_id=1, content=key, client_msg_id=key)
            for _ in range(2 if is_shared else 1):
                done = await answer(lambda done, draft=draft: stores.log.append(draft, done))  # type: ignore[misc]
                message = done.message
                answers.append((key, message.conversation_id, message.seq, message.id, done.duplicate))
            if turn % 10 == 0:
                mark = Mark(message.conversation_id, 1, ((1, message.seq),))
                await answer(lambda done, mark=mark: stores.marks.mark(mark, done))  # type: ignore[misc]

    await asyncio.gather(*(sender(number) for number in range(40)))
    await stores.close()
    json.dump({"answers": answers, "deadlocks": sum(writer.deadlocks for writer in stores.writers)}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])))
