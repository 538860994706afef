"""An asyncio client of the native protocol, for bots, tests and benchmarks; `python -m client` chats in a terminal."""

from client.client import Client
from client.connection import Codec
from client.errors import ClientError, ConnectionClosed, NoAnswer, RequestRefused
from client.events import Disconnected, Event, Reconnected, Resynchronise

__all__ = [
    "Client",
    "ClientError",
    "Codec",
    "ConnectionClosed",
    "Disconnected",
    "Event",
    "NoAnswer",
    "Reconnected",
    "RequestRefused",
    "Resynchronise",
]
