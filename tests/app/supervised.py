"""A program: the supervisor over workers that only tell their process id to whoever connects.

`supervised.py MAX_DEATHS` supervises two of them; with `--worker ORDER` it is one."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from app.config import LogConfig, ServerConfig
from app.errors import SetupError
from app.logs import configure_logs
from app.sockets import bind_for_workers, inherited, port_of
from app.supervisor import READY, Supervisor, WorkerOrder


async def supervise(max_deaths: int) -> None:
    sockets = bind_for_workers(ServerConfig(port=0, tcp_port=-1, workers=2))
    command = [sys.executable, *sys.argv]
    print(port_of(sockets[0].http), flush=True)
    await Supervisor(sockets, "node", command, lambda: print("serving", flush=True), max_deaths).run()


async def work(order: WorkerOrder) -> None:
    if os.environ.get("FAILING"):
        sys.exit(3)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    (listener,) = inherited(order.sockets).http

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readline()
        if question == b"die\n":
            os.kill(os.getpid(), signal.SIGKILL)
        writer.write(f"{os.getpid()} {order.node} {order.number}\n".encode())
        await writer.drain()
        writer.close()

    if held_back := os.environ.get("SUCCESSORS_WAIT_FOR"):
        while order.node.endswith(".2") and not Path(held_back).exists():
            await asyncio.sleep(0.01)
    server = await asyncio.start_server(answer, sock=listener)
    channel = socket.socket(fileno=order.channel)
    channel.setblocking(False)
    channel.send(READY)
    gone = asyncio.create_task(asyncio.get_running_loop().sock_recv(channel, 1))
    await asyncio.wait([gone, asyncio.create_task(told.wait())], return_when=asyncio.FIRST_COMPLETED)
    server.close()
    # Whom it has accepted it answers.
    accepted = asyncio.all_tasks() - {asyncio.current_task(), gone}
    if accepted:
        await asyncio.wait(accepted, timeout=2)


if __name__ == "__main__":
    if "--worker" in sys.argv:
        asyncio.run(work(msgspec.json.decode(sys.argv[-1], type=WorkerOrder)))
    else:
        configure_logs(LogConfig())
        try:
            asyncio.run(supervise(int(sys.argv[1])))
        except SetupError as error:
            sys.exit(f"{error}")
