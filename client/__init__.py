"""An asyncio client of the native protocol, for bots, tests and benchmarks; `python -m client` chats in a terminal."""

from client.connection import Codec
from client.errors import ClientError, ConnectionEnded, NoAnswer, RequestRefused
from client.session import Client, Resynchronise

__all__ = ["Client", "ClientError", "Codec", "ConnectionEnded", "NoAnswer", "RequestRefused", "Resynchronise"]
