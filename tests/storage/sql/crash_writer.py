"""Run as a process of its own: appends and marks as fast as it can and says what was answered, until it is killed."""

import asyncio
import os
import random
import sys

from domain.answer import answer
from domain.model import Draft
from domain.ports import Mark
from storage import open_sqlite


async def main(path: str, seed: int) -> None:
    rng = random.Random(seed)
    stores = open_sqlite(path)
    await stores.start()
    conversations = [(await stores.conversations.create_single(1, other, 5))[0].id for other in (2, 3, 4)]

    async def sender(number: int) -> None:
        sent = 0
        while True:
            sent += 1
            conversation_id = rng.choice(conversations)
            key = f"{seed}-{number}-{sent}"
            draft = Draft(conversation_id=conversation_id, sender_id=1, content="x" * 200, client_msg_id=key)
            done = await answer(lambda done, draft=draft: stores.log.append(draft, done))  # type: ignore[misc]
            message = done.message
            os.write(1, f"message {message.id} {conversation_id} {message.seq} {key}\n".encode())
            if sent % 5 == 0:
                mark = Mark(conversation_id, 1, ((1, message.seq),))
                marked = await answer(lambda done, mark=mark: stores.marks.mark(mark, done))  # type: ignore[misc]
                os.write(1, f"read {conversation_id} {marked.read_seq}\n".encode())

    await asyncio.gather(*(sender(number) for number in range(20)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
