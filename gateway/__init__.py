"""The asyncio edge: listeners, sessions, hub, outboxes, dispatch. Knows dialects only through `protocol.dialect`."""
