"""Notifications by e-mail over SMTP, alone or as digests."""

from collections.abc import Sequence
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from html import escape
from typing import Final, Literal

import aiosmtplib
import msgspec

from domain.errors import InvalidValue, Unavailable
from domain.records import Notification, NotificationRecord, Recipient

_PERMANENT: Final = range(500, 600)


class SmtpConfig(msgspec.Struct, frozen=True):
    """Without a host no e-mail is sent."""

    host: str = ""
    port: int = 587
    tls: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: str = ""
    sender: str = ""
    timeout_s: float = 20.0


class SmtpMailer:
    """Implements `domain.ports.NotificationSender`. Times out, is refused for now or cannot connect: Unavailable. An
    address or a message that the server refuses for good: InvalidValue."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config

    async def send(self, to: Recipient, items: Sequence[tuple[NotificationRecord, Notification]]) -> None:
        config = self._config
        message = compose(config.sender, to, [notification for _, notification in items], items[0][0].uuid)
        try:
            await aiosmtplib.send(
                message,
                hostname=config.host,
                port=config.port,
                username=config.username or None,
                password=config.password or None,
                use_tls=config.tls == "tls",
                start_tls=config.tls == "starttls",
                timeout=config.timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(each.code in _PERMANENT for each in error.recipients):
                raise InvalidValue("email", "the mail server refuses this address") from error
            raise Unavailable("the mail server refuses this address for now") from error
        except aiosmtplib.SMTPDataError as error:
            if error.code in _PERMANENT:
                raise InvalidValue("email", f"the mail server refuses this message ({error.code})") from error
            raise Unavailable(f"the mail server refuses this message for now ({error.code})") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unavailable("the mail server cannot be used now") from error


def compose(sender: str, to: Recipient, notifications: Sequence[Notification], unique: str) -> EmailMessage:
    """Text and HTML. InvalidValue for what no header may hold, such as a line break in the subject."""
    message = EmailMessage()
    first = notifications[0]
    try:
        message["Subject"] = first.title if len(notifications) == 1 else f"{len(notifications)} 条新通知"
        message["From"] = sender
        message["To"] = to.email or ""
    except (ValueError, MessageError) as error:
        raise InvalidValue("email", "a header would be malformed") from error
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(unique, domain=sender.rpartition("@")[2] or None)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n".join(_text(each) for each in notifications))
    message.add_alternative("".join(map(_html, notifications)), subtype="html")
    return message


def _text(notification: Notification) -> str:
    lines = [notification.title, "", notification.content]
    if notification.action_url:
        lines += ["", notification.action_url]
    return "\n".join(lines)


def _html(notification: Notification) -> str:
    paragraphs = "<br>".join(map(escape, notification.content.splitlines()))
    link = f'<p><a href="{escape(notification.action_url)}">查看</a></p>' if notification.action_url else ""
    return f"<h2>{escape(notification.title)}</h2><p>{paragraphs}</p>{link}"
