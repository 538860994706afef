"""Whose request it is: the client's address, behind proxies too."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import web

IPV6_CLIENT_PREFIX: Final = 64
"""One customer usually has a whole /64, so limits count it as one client."""


class ClientAddress:
    """Believes `X-Forwarded-For` only as far as it was written by trusted proxies. ValueError for a bad
    network."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted: list[IPv4Network | IPv6Network] = [ip_network(each) for each in trusted_proxies]

    def of(self, request: web.Request) -> str:
        """The address that limits count, in text; empty if the transport has none (a Unix socket)."""
        address = request.remote or ""
        if self._trusted:
            hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
            while self._is_trusted(address) and hops:
                hop = hops.pop().strip()
                if _parsed(hop) is None:
                    break
                address = hop
        return _limit_key(address)

    def _is_trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed


def _limit_key(address: str) -> str:
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_CLIENT_PREFIX), strict=False).network_address)
    return str(parsed or "")
