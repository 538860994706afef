"""Tells systemd how the service is (Type=notify). See sd_notify(3)."""

import os
import socket


def notify(state: str) -> None:
    """`READY=1`, `STOPPING=1`, `RELOADING=1`. Does nothing where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        try:
            # A name in the abstract namespace begins with @.
            manager.connect("\0" + address[1:] if address[0] == "@" else address)
            manager.send(state.encode())
        except OSError:
            # The service manager's loss is no reason for ours.
            return
