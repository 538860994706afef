"""Measurements of the running server, each beside a C server that does only the socket work. See `bench.__main__`."""
