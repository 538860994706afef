"""The bus of a single process: publishing is calling the handlers."""

from domain.events import Event
from domain.ports import Audience, EventHandler


class InProcessBus:
    """Implements `domain.ports.Bus`."""

    def __init__(self) -> None:
        self._handlers: list[EventHandler] = []

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        for handler in self._handlers:
            handler(event, audience, origin)

    def subscribe(self, handler: EventHandler) -> None:
        self._handlers.append(handler)

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        """Nothing is in flight."""

    async def healthy(self) -> str | None:
        return None
