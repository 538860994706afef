"""The version of the server, as /health and welcome packets tell it."""

VERSION = "1.0.0"
