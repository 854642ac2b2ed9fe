"""
Where a client is: the address of its socket, or what a proxy that is trusted says of it.

The meaning of the trusted addresses, and of the header, is that of uvicorn's `forwarded_allow_ips`.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from syncroom.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable

_NETWORK_BITS = 64


class TrustedProxies:
    """The proxies whose word counts.

    Args:
        addresses: addresses and networks, separated by commas; ``*`` trusts everybody.
    """

    def __init__(self, addresses: str) -> None:
        parts = [part.strip() for part in addresses.split(",") if part.strip()]
        self._trusts_all = parts == ["*"]
        try:
            self._networks = [] if self._trusts_all else [ip_network(part) for part in parts]
        except ValueError as error:
            raise Misconfigured(f"the setting 'forwarded_allow_ips' is wrong: {error}") from None

    def client(self, peer: str, forwarded: Iterable[str]) -> str:
        """The address of a client.

        Each proxy adds at the end of ``X-Forwarded-For`` whom it was called by, so that the last
        address that is not a trusted proxy's own is the client's: what is before it, the client
        may have invented.

        Args:
            peer: the other end of the socket.
            forwarded: the values of ``X-Forwarded-For``, in order.
        """
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        if not hops or not self._trusts(peer):
            return peer
        if self._trusts_all:
            hops = hops[:1]
        client = peer
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            client = address
            if not self._trusts(client):
                break
        return client

    def _trusts(self, address: str) -> bool:
        if self._trusts_all:
            return True
        bare = _address(address)
        return bare is not None and any(ip_address(bare) in each for each in self._networks)


def network_of(address: str) -> str:
    """What connections are counted under: an address, or the IPv6 network of one customer."""
    bare = _address(address)
    if bare is None or ":" not in bare:
        return address
    return str(ip_network((bare, _NETWORK_BITS), strict=False))


def _address(text: str) -> str | None:
    """An IP address as it is usually written, without a port; None where there is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)
