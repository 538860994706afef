"""Our own protocol (PROTOCOL.md): the server's packets, and a JSON and a binary codec that say the same things."""
