"""A chat in the terminal: `python -m client chat NAME [--with NAME | --group ID]`.

Lines that are typed are sent; `/quit` ends. An account that does not exist is made. The password is asked for, or
taken from FEIGE_PASSWORD.
"""

import argparse
import asyncio
import getpass
import os
import sys
import threading
from datetime import datetime
from urllib.parse import urlsplit

from client import Client, ClientError, Disconnected, Event, Reconnected, RequestRefused, Resynchronise
from client.rest import Rest
from protocol.native.packets import (
    MessageEditedPacket,
    MessagePacket,
    MessageRecalledPacket,
    PresencePacket,
    PresenceStatePacket,
    TypingPacket,
)

HISTORY = 20


def main() -> int:
    options = _parser().parse_args()
    try:
        return asyncio.run(_chat(options))
    except (ClientError, ValueError) as error:
        print(f"chat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m client", description="Feige in the terminal")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    chat = commands.add_parser("chat", help="log in, or register, and chat")
    chat.add_argument("name", help="your user name")
    partner = chat.add_mutually_exclusive_group()
    partner.add_argument("--with", dest="partner", metavar="NAME", help="chat with this user")
    partner.add_argument("--group", type=int, metavar="ID", help="chat in this conversation")
    chat.add_argument("--url", default="http://127.0.0.1:8000", help="default: %(default)s")
    chat.add_argument("--tcp", type=int, metavar="PORT", help="over raw TCP on this port instead of WebSocket")
    chat.add_argument("--binary", action="store_true", help="the binary codec instead of JSON")
    return parser


async def _chat(options: argparse.Namespace) -> int:
    async with Rest(options.url) as rest:
        tokens = await _log_in(rest, options.name)

        async def token() -> str:
            """Renews the access token for a connection that is made later."""
            nonlocal tokens
            tokens = await rest.refresh(tokens["refresh_token"])
            return str(tokens["access_token"])

        parts = urlsplit(options.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        url = f"tcp://{parts.hostname}:{options.tcp}" if options.tcp else f"{scheme}://{parts.netloc}/gateway"
        async with Client(url, token, codec="binary" if options.binary else "json", device="terminal") as client:
            terminal = _Terminal(rest, client)
            await terminal.enter(options.partner, options.group)
            listening = asyncio.create_task(terminal.listen())
            typing = asyncio.create_task(terminal.type())
            try:
                await asyncio.wait([listening, typing], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (listening, typing):
                    task.cancel()
                ended = await asyncio.gather(listening, typing, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error
    return 0


async def _log_in(rest: Rest, name: str) -> dict[str, str]:
    password = os.environ.get("FEIGE_PASSWORD") or getpass.getpass(f"Password of {name}: ")
    try:
        return await rest.login(name, password)
    except RequestRefused as error:
        if error.code != "400":
            raise
        refusal = error
    try:
        await rest.register(name, password)
    except RequestRefused as error:
        # The name is taken: the password was wrong. Anything else says what is wrong with the new account.
        raise (refusal if error.code == "400" else error) from None
    print(f"* the account {name} was made")
    return await rest.login(name, password)


class _Terminal:
    """Shows one conversation, and in short what happens in the others."""

    def __init__(self, rest: Rest, client: Client) -> None:
        self._rest = rest
        self._client = client
        self._conversation_id = 0
        self._names: dict[int, str] = {}

    async def enter(self, partner: str | None, group: int | None) -> None:
        """Shows what was said before. Without a partner the next message from anybody opens the conversation."""
        if partner is not None:
            user = await self._rest.find(partner)
            if user is None:
                raise ValueError(f"there is no user {partner!r}")
            opened = await self._client.open(user["id"])
            await self._show(opened.conversation.conversation_id)
            online = await self._client.subscribe([user["id"]])
            self._print_presence(user["id"], online[user["id"]])
        elif group is not None:
            await self._show(group)
        else:
            print("* waiting for somebody to write; or name a partner: --with NAME")

    async def _show(self, conversation_id: int) -> None:
        self._conversation_id = conversation_id
        for member in await self._rest.members(conversation_id):
            self._names[member["user_id"]] = member["user_name"]
        page = await self._client.history(conversation_id, limit=HISTORY)
        for message in page.messages:
            self._print_message(message.sender_id, message.content, message.created_at_ms)
        if page.messages:
            await self._client.mark(conversation_id, read_seq=page.messages[-1].seq)

    def _name(self, user_id: int) -> str:
        return "you" if user_id == self._client.user_id else self._names.get(user_id, f"user {user_id}")

    def _print_message(self, sender_id: int, content: str, at_ms: int) -> None:
        time = datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%H:%M")
        shown = "".join(each if each.isprintable() else "�" for each in content)
        print(f"{time} {self._name(sender_id)}: {shown}", flush=True)

    def _print_presence(self, user_id: int, is_online: bool) -> None:
        print(f"* {self._name(user_id)} is {'online' if is_online else 'offline'}", flush=True)

    async def listen(self) -> None:
        async for event in self._client.events():
            try:
                await self._react(event)
            except ClientError as error:
                # What ends the client ends the events too; anything less concerns this event alone.
                print(f"* {error}", flush=True)

    async def _react(self, packet: Event) -> None:
        if isinstance(packet, MessagePacket):
            if not self._conversation_id:
                await self._show(packet.conversation_id)
            elif packet.conversation_id == self._conversation_id:
                self._print_message(packet.sender_id, packet.content, packet.created_at_ms)
                await self._client.mark(packet.conversation_id, read_seq=packet.seq)
            else:
                print(f"* a message in conversation {packet.conversation_id}", flush=True)
        elif isinstance(packet, TypingPacket) and packet.conversation_id == self._conversation_id:
            print(f"* {self._name(packet.user_id)} is typing", flush=True)
        elif isinstance(packet, PresencePacket):
            self._print_presence(packet.user_id, packet.is_online)
        elif isinstance(packet, PresenceStatePacket):
            for user_id, is_online in packet.states.items():
                self._print_presence(user_id, is_online)
        elif isinstance(packet, Disconnected):
            print(f"* {packet.reason}; trying again", flush=True)
        elif isinstance(packet, Reconnected):
            print("* connected again", flush=True)
        elif isinstance(packet, MessageEditedPacket):
            print("* a message was edited", flush=True)
        elif isinstance(packet, MessageRecalledPacket):
            print("* a message was recalled", flush=True)
        elif isinstance(packet, Resynchronise) and self._conversation_id:
            print("* some messages may have been missed", flush=True)
            await self._show(self._conversation_id)

    async def type(self) -> None:
        """Sends what is typed, until the input ends."""
        lines: asyncio.Queue[str] = asyncio.Queue(1)
        # A daemon, and without the lock of sys.stdin: whoever waits for a key must not keep the command from ending.
        threading.Thread(target=_read_lines, args=(asyncio.get_running_loop(), lines), daemon=True).start()
        while True:
            line = await lines.get()
            text = line.strip()
            if not line or text == "/quit":
                return
            if text and not self._conversation_id:
                print("* nobody is here yet")
            elif text:
                try:
                    await self._client.send(self._conversation_id, text)
                except RequestRefused as error:
                    print(f"* not sent: {error}", flush=True)


def _read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    """All of the standard input, then an empty string."""
    with open(0, "rb", buffering=0, closefd=False) as source:
        for line in source:
            asyncio.run_coroutine_threadsafe(lines.put(line.decode(errors="replace")), loop).result()
    asyncio.run_coroutine_threadsafe(lines.put(""), loop).result()


if __name__ == "__main__":
    sys.exit(main())
