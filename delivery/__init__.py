"""Implements the ports through which something leaves the server for a person elsewhere."""
