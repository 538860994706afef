"""E-mail over a real SMTP server."""

import asyncio
import email
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from email.policy import default
from socket import create_server

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from delivery.mail import SmtpConfig, SmtpMailer, compose
from domain.errors import InvalidValue, Unavailable
from domain.records import Notification, NotificationKind, NotificationPreferences, NotificationRecord, Recipient

TO = Recipient(1, "uuid", "Alice", "alice@example.com", "UTC", NotificationPreferences(user_id=1))


def item(
    title: str = "系统通知", content: str = "<b>内容</b>\n第二行", **fields: str
) -> tuple[NotificationRecord, Notification]:
    record = NotificationRecord(id=1, uuid="a-record", notification_id=1, user_id=1, visible_at_ms=1, created_at_ms=1)
    notification = Notification(
        id=1,
        uuid="n",
        kind=NotificationKind.SYSTEM,
        title=title,
        content=content,
        action_url=fields.get("action_url"),
        created_at_ms=1,
        updated_at_ms=1,
    )
    return record, notification


class Mailbox:
    """What the server got; `answer` refuses it instead."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[Controller]:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield controller
    if not controller.loop.is_closed():
        controller.stop()


def mailer(port: int, timeout_s: float = 10.0) -> SmtpMailer:
    return SmtpMailer(
        SmtpConfig(host="127.0.0.1", port=port, tls="none", sender="feige@example.com", timeout_s=timeout_s)
    )


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


async def test_text_and_html(server: Controller, mailbox: Mailbox) -> None:
    await mailer(server.port).send(TO, [item(action_url="/a?b=1&c=2")])
    (message,) = mailbox.received
    assert (message["Subject"], message["To"], message["From"]) == (
        "系统通知",
        "alice@example.com",
        "feige@example.com",
    )
    assert "a-record" in message["Message-ID"]
    assert part(message, "plain").splitlines()[:4] == ["系统通知", "", "<b>内容</b>", "第二行"]
    html = part(message, "html")
    assert "&lt;b&gt;内容&lt;/b&gt;<br>第二行" in html
    assert 'href="/a?b=1&amp;c=2"' in html


async def test_a_digest_is_one_message(server: Controller, mailbox: Mailbox) -> None:
    await mailer(server.port).send(TO, [item("first"), item("second")])
    (message,) = mailbox.received
    assert message["Subject"] == "2 条新通知"
    assert "first" in part(message, "plain")
    assert "second" in part(message, "html")


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
async def test_what_the_server_refuses(server: Controller, mailbox: Mailbox, step: str) -> None:
    mailbox.answers[step] = "451 later"
    with pytest.raises(Unavailable):
        await mailer(server.port).send(TO, [item()])
    mailbox.answers[step] = "550 never"
    with pytest.raises(InvalidValue):
        await mailer(server.port).send(TO, [item()])
    mailbox.answers.clear()
    await mailer(server.port).send(TO, [item()])
    assert len(mailbox.received) == 1


async def test_a_server_that_is_away_and_comes_back(mailbox: Mailbox, server: Controller) -> None:
    server.stop()
    with pytest.raises(Unavailable):
        await mailer(server.port).send(TO, [item()])
    again = Controller(mailbox, hostname="127.0.0.1", port=server.port)
    again.start()
    await mailer(server.port).send(TO, [item()])
    again.stop()
    assert len(mailbox.received) == 1


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """Somebody who takes connections and never says a word."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    gone.set()
    listening.close()
    await listening.wait_closed()


async def test_a_server_that_hangs(silent_port: int) -> None:
    with pytest.raises(Unavailable):
        await mailer(silent_port, timeout_s=0.2).send(TO, [item()])


@pytest.mark.parametrize("title", ["a\r\nBcc: b@example.com", "a\nb", "a\rb"])
def test_line_breaks_in_subjects_are_refused(title: str) -> None:
    with pytest.raises(InvalidValue):
        compose("feige@example.com", TO, [item(title)[1]], "x")
