"""Locust users: chat over the native protocol, CRUD over REST, and a mixed day; they register themselves.

    locust -f bench/locustfile.py --headless -u 50 -r 10 -t 30s --host http://127.0.0.1:8000
    locust -f bench/locustfile.py --headless ... ChatUser    one class only

All users of a run come from few addresses: start the server with FEIGE_HTTP_REQUESTS_PER_ADDRESS=0, or it refuses what
exceeds its limit, as it should. Rows of type WS are packets of the native protocol: a request until its reply, and
`send to message` from just before a send until its message is at another session (clocks of the same machine).

This shows how a server bears a crowd. What the server costs is measured by `python -m bench`: a generator in Python
spends more CPU on a message than the server does.
"""

import itertools
import json
import random
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import gevent
import websocket
from gevent.event import AsyncResult
from locust import FastHttpUser, between, task
from locust.env import Environment
from locust.exception import RescheduleTask, StopUser

API: Final = "/api/v1"
PASSWORD: Final = "locust-secret"
REPLY_TIMEOUT_S: Final = 10.0
CONTACTS: Final = 3
"""Chats that a user opens; more come from those who open one with it."""

people: list[int] = []
"""Ids of the talkers of this process."""


class Refused(Exception):
    """The server answered `error`."""


class Device:
    """One native session in JSON (PROTOCOL.md), with a greenlet that reads. Every reply becomes an event of Locust."""

    def __init__(self, environment: Environment, host: str, token: str) -> None:
        place = urlsplit(host)
        self._url = f"{'wss' if place.scheme == 'https' else 'ws'}://{place.netloc}/gateway"
        self._environment = environment
        self._token = token
        self._ids = itertools.count(1)
        self._waiting: dict[int, AsyncResult] = {}
        self._socket: websocket.WebSocket | None = None
        self._reader: gevent.Greenlet | None = None
        self._epoch = self._position = ""
        self._is_replaying = False
        self.last_seqs: dict[int, int] = {}
        """Of each conversation that spoke the newest seq that was pushed or acknowledged."""

    def connect(self) -> None:
        """From the TCP connection to `welcome`; after a lost connection to `synced`, with nothing lost."""
        name = "resume" if self._position else "connect"
        started, error = time.perf_counter(), None
        try:
            self._open()
        except (OSError, websocket.WebSocketException, gevent.Timeout, Refused) as problem:
            error = problem
        self._fire(name, started, error)
        if error:
            raise StopUser

    def _open(self) -> None:
        self.close()
        self._socket = websocket.create_connection(
            self._url, subprotocols=["feige.json.v1"], timeout=REPLY_TIMEOUT_S, enable_multithread=True
        )
        self._socket.settimeout(None)
        self.last_seqs.clear()
        # `hello` and `sync` in one frame: nothing live comes before the replay (PROTOCOL.md 7)
        packets: list[dict[str, Any]] = [{"type": "hello", "token": self._token}]
        self._is_replaying = bool(self._position)
        if self._is_replaying:
            packets.append({"type": "sync", "epoch": self._epoch, "position": self._position})
        replies = [self._expect(packet) for packet in packets]
        self._reader = gevent.spawn(self._read, self._socket)
        self._socket.send("\n".join(map(json.dumps, packets)))
        *_, last = [reply.get(timeout=REPLY_TIMEOUT_S) for reply in replies]
        if not last.get("recovered", True):
            raise Refused("the server could not replay what was missed")
        self._epoch, self._position = last["epoch"], last["position"]

    def close(self) -> None:
        if self._reader is not None:
            self._reader.kill()
            self._reader = None
        if self._socket is not None:
            with suppress(OSError, websocket.WebSocketException):
                self._socket.close(timeout=1)
            self._socket = None

    def ask(self, name: str, **packet: Any) -> dict[str, Any]:
        """The reply; a task that gets none ends."""
        started = time.perf_counter()
        try:
            reply = self._expect(packet)
            assert self._socket is not None
            self._socket.send(json.dumps(packet))
            answer: dict[str, Any] = reply.get(timeout=REPLY_TIMEOUT_S)
        except (OSError, websocket.WebSocketException, gevent.Timeout, Refused) as error:
            self._fire(name, started, error)
            raise RescheduleTask from error
        self._fire(name, started)
        return answer

    def send_text(self, conversation_id: int, text: str) -> int:
        """The message's id, once it is stored."""
        ack = self.ask(
            "send to ack",
            type="send",
            conversation_id=conversation_id,
            client_msg_id=uuid4().hex,
            content=f"{time.time_ns()} {text}",
        )
        self._saw(conversation_id, ack["seq"])
        return int(ack["message_id"])

    def _expect(self, packet: dict[str, Any]) -> AsyncResult:
        packet["id"] = next(self._ids)
        reply = self._waiting[packet["id"]] = AsyncResult()
        return reply

    def _read(self, connection: websocket.WebSocket) -> None:
        try:
            while text := connection.recv():
                for line in text.splitlines():
                    self._on_packet(json.loads(line))
            self._fire("connection", time.perf_counter(), ConnectionError("the server closed the session"))
        except (OSError, websocket.WebSocketException) as error:
            self._fire("connection", time.perf_counter(), error)

    def _on_packet(self, packet: dict[str, Any]) -> None:
        kind = packet["type"]
        if kind == "message":
            self._on_message(packet)
        if kind == "synced":
            self._is_replaying = False
        if kind == "pong" and packet.get("position"):
            self._position = packet["position"]
        reply = self._waiting.pop(packet.get("id", 0), None)
        if reply is None:
            return
        if kind == "error":
            reply.set_exception(Refused(f"{packet['code']}: {packet.get('text', '')}"))
        else:
            reply.set(packet)

    def _on_message(self, message: dict[str, Any]) -> None:
        conversation_id, seq = message["conversation_id"], message["seq"]
        sent_ns, _, _ = message.get("content", "").partition(" ")
        if sent_ns.isdecimal() and not self._is_replaying:
            took_ms = (time.time_ns() - int(sent_ns)) / 1e6
            self._environment.events.request.fire(
                request_type="WS",
                name="send to message",
                response_time=took_ms,
                response_length=len(message["content"]),
                exception=None,
                context={},
            )
        self._saw(conversation_id, seq)

    def _saw(self, conversation_id: int, seq: int) -> None:
        self.last_seqs[conversation_id] = max(seq, self.last_seqs.get(conversation_id, 0))

    def _fire(self, name: str, started: float, error: BaseException | None = None) -> None:
        self._environment.events.request.fire(
            request_type="WS",
            name=name,
            response_time=(time.perf_counter() - started) * 1000,
            response_length=0,
            exception=error,
            context={},
        )


class Person(FastHttpUser):
    """An account of its own, logged in over REST."""

    abstract = True

    def on_start(self) -> None:
        name = f"locust{uuid4().hex[:12]}"
        self.id = self.register(name)
        form = {"username": name, "password": PASSWORD}
        with self.client.post(f"{API}/auth/login/access-token", data=form, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"no login: {response.status_code}")
                raise StopUser
            self.token = response.json()["access_token"]

    def register(self, name: str) -> int:
        body = {"standard_id": name, "name": name.title(), "password": PASSWORD}
        with self.client.post(f"{API}/users/", json=body, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"not registered: {response.status_code}")
                raise StopUser
            return int(response.json()["id"])

    def rest(self, method: str, path: str, name: str = "", **options: Any) -> Any:
        """The decoded answer, None without one; a task whose call fails ends. `name` groups paths with ids."""
        response = self.client.request(
            method, API + path, name=API + (name or path), headers={"Authorization": f"Bearer {self.token}"}, **options
        )
        if not 200 <= response.status_code < 300:
            raise RescheduleTask
        return response.json() if response.content else None


class Talker(Person):
    """A person with a native session and some chats."""

    abstract = True

    def on_start(self) -> None:
        super().on_start()
        people.append(self.id)
        self.device = Device(self.environment, self.host or "", self.token)
        self.device.connect()
        self._opened: list[int] = []
        with suppress(RescheduleTask):
            for user_id in self.others(CONTACTS):
                opened = self.device.ask("open", type="open", user_id=user_id)
                self._opened.append(int(opened["conversation"]["conversation_id"]))

    def on_stop(self) -> None:
        if getattr(self, "id", None) in people:
            people.remove(self.id)
        if hasattr(self, "device"):
            self.device.close()

    def others(self, count: int) -> list[int]:
        """Users that exist besides this one; the first of all makes itself somebody to talk to."""
        if not any(user_id != self.id for user_id in people):
            return [self.register(f"silent{uuid4().hex[:12]}")]
        others = [user_id for user_id in people if user_id != self.id]
        return random.sample(others, min(count, len(others)))

    def any_chat(self) -> int:
        return random.choice([*self._opened, *self.device.last_seqs])


class ChatUser(Talker):
    """Writes, shows that it writes, and reads what comes."""

    weight = 3
    wait_time = between(0.5, 2)

    @task(10)
    def send(self) -> None:
        self.device.send_text(self.any_chat(), "飞鸽传书" * random.randint(1, 20))

    @task(5)
    def typing(self) -> None:
        self.device.ask("typing", type="typing", conversation_id=self.any_chat())

    @task(5)
    def mark_read(self) -> None:
        if self.device.last_seqs:
            conversation_id, seq = random.choice(list(self.device.last_seqs.items()))
            self.device.ask("mark", type="mark", conversation_id=conversation_id, read_seq=seq)

    @task(1)
    def ping(self) -> None:
        self.device.ask("ping", type="ping")


class RestUser(Person):
    """Creates, reads, changes and deletes groups and messages of the im API."""

    weight = 1
    wait_time = between(0.2, 1)

    def on_start(self) -> None:
        super().on_start()
        self.companion = self.register(
            f"silent{uuid4().hex[:12]}"
        )  # whoever talks must not lose a group in mid-sentence

    @task
    def life_of_a_group(self) -> None:
        one, members = "/conversations/{id}", [self.companion]
        group = self.rest("POST", "/conversations/group", json={"name": "locust", "member_ids": members})["id"]
        path = f"/conversations/{group}"
        self.rest("GET", path, one)
        self.rest("PUT", path, one, json={"name": "renamed", "description": "by locust"})
        self.rest("GET", f"{path}/members", f"{one}/members")
        for number in range(3):
            text = {"conversation_id": group, "content": f"message {number}"}
            message = self.rest("POST", "/messages/text", json=text)["id"]
        edit = {"content": "edited", "status": "edited"}
        self.rest("PUT", f"/messages/{message}", "/messages/{id}", json=edit)
        self.rest("GET", f"/messages/single/{message}", "/messages/single/{id}")
        self.rest("POST", f"/messages/{message}/recall", "/messages/{id}/recall")
        self.rest("GET", f"/messages/conversation/{group}?limit=50", "/messages/conversation/{id}")
        self.rest("DELETE", f"{path}/members/{self.companion}", f"{one}/members/{{id}}")
        self.rest("DELETE", path, one)

    @task(3)
    def look(self) -> None:
        self.rest("GET", "/users/me")
        self.rest("GET", "/conversations/")
        self.rest("GET", "/messages/unread/count")


class DayUser(Talker):
    """An ordinary day: connected all the time, mostly silent; reads more than it writes, and loses its network."""

    weight = 2
    wait_time = between(1, 4)

    @task(20)
    def chat(self) -> None:
        conversation_id = self.any_chat()
        self.device.ask("typing", type="typing", conversation_id=conversation_id)
        self.device.send_text(conversation_id, "在吗？")

    @task(15)
    def read(self) -> None:
        conversation_id = self.any_chat()
        page = self.device.ask("history", type="history", conversation_id=conversation_id, limit=50)
        if page["messages"]:
            seq = page["messages"][-1]["seq"]
            self.device.ask("mark", type="mark", conversation_id=conversation_id, read_seq=seq)

    @task(10)
    def look_over_chats(self) -> None:
        self.rest("GET", "/conversations/")
        self.rest("GET", "/messages/unread/count")

    @task(3)
    def think_better_of_it(self) -> None:
        message_id = self.device.send_text(self.any_chat(), "oops")
        self.device.ask("recall", type="recall", message_id=message_id)

    @task(3)
    def lose_the_network(self) -> None:
        self.device.close()
        gevent.sleep(random.uniform(0, 2))
        self.device.connect()

    @task(1)
    def found_a_group(self) -> None:
        body = {"name": "day", "member_ids": self.others(5)}
        group = self.rest("POST", "/conversations/group", json=body)["id"]
        self.device.send_text(group, "大家好")
