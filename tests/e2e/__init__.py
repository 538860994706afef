"""Real server processes, real sockets, the real database file."""
