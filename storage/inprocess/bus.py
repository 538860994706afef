"""The bus of a single process: publishing is calling the handlers."""

from domain.events import Event
from domain.ports import Audience, EventHandler, MissedListener


class InProcessBus:
    """Implements `domain.ports.Bus`."""

    def __init__(self) -> None:
        self._handlers: list[EventHandler] = []

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        for handler in self._handlers:
            handler(event, audience, origin)

    def subscribe(self, handler: EventHandler) -> None:
        self._handlers.append(handler)

    trouble: None = None
    hears_all = True

    def publish_here(self, event: Event, audience: Audience) -> None:
        self.publish(event, audience)

    def when_missed(self, listener: MissedListener) -> None:
        """Nothing is ever missed."""

    def complete_up_to(self, position: str) -> None:
        """There is nobody to tell."""

    async def settled(self) -> None:
        """It was when `publish` returned."""

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        """Nothing is in flight."""

    async def healthy(self) -> str | None:
        return None
