"""Whose connection it is, behind proxies that are trusted and others that are not."""

from __future__ import annotations

import pytest

from syncroom.errors import Misconfigured
from syncroom.server.address import TrustedProxies, network_of

CASES = [
    pytest.param("", "1.2.3.4", ["9.9.9.9"], "1.2.3.4", id="nobody is trusted"),
    pytest.param("127.0.0.1", "1.2.3.4", ["9.9.9.9"], "1.2.3.4", id="a stranger is not"),
    pytest.param("127.0.0.1", "127.0.0.1", [], "127.0.0.1", id="a proxy that says nothing"),
    pytest.param("127.0.0.1", "127.0.0.1", ["9.9.9.9"], "9.9.9.9", id="a proxy"),
    pytest.param("127.0.0.1", "127.0.0.1", ["6.6.6.6, 9.9.9.9"], "9.9.9.9", id="what is invented"),
    pytest.param("127.0.0.1", "127.0.0.1", ["6.6.6.6", "9.9.9.9"], "9.9.9.9", id="two headers"),
    pytest.param("127.0.0.1,10.0.0.0/8", "127.0.0.1", ["9.9.9.9, 10.1.2.3"], "9.9.9.9", id="two"),
    pytest.param("127.0.0.1,10.0.0.0/8", "127.0.0.1", ["10.1.2.3"], "10.1.2.3", id="only proxies"),
    pytest.param("*", "1.2.3.4", ["9.9.9.9, 8.8.8.8"], "9.9.9.9", id="all are trusted"),
    pytest.param("*", "1.2.3.4", [], "1.2.3.4", id="all are trusted and say nothing"),
    pytest.param("::1", "::1", ["2001:db8::7"], "2001:db8::7", id="IPv6"),
    pytest.param("::1", "::1", ["[2001:db8::7]:443"], "2001:db8::7", id="IPv6 with a port"),
    pytest.param("127.0.0.1", "127.0.0.1", ["9.9.9.9:80"], "9.9.9.9", id="IPv4 with a port"),
    pytest.param("127.0.0.1", "::ffff:127.0.0.1", ["9.9.9.9"], "9.9.9.9", id="IPv4 in IPv6"),
    pytest.param("127.0.0.1", "127.0.0.1", ["unknown"], "127.0.0.1", id="no address"),
    pytest.param("127.0.0.1", "127.0.0.1", ["9.9.9.9, \nforged"], "127.0.0.1", id="a line break"),
    pytest.param("127.0.0.1", "", ["9.9.9.9"], "", id="no peer"),
]


@pytest.mark.parametrize(("trusted", "peer", "forwarded", "client"), CASES)
def test_the_client_is_the_last_that_no_trusted_proxy_is(
    trusted: str, peer: str, forwarded: list[str], client: str
) -> None:
    assert TrustedProxies(trusted).client(peer, forwarded) == client


@pytest.mark.parametrize(
    "addresses", ["localhost", "1.2.3", "10.0.0.1/8", "127.0.0.1;::1", "*,::1"]
)
def test_what_is_no_address_is_refused_as_a_setting(addresses: str) -> None:
    with pytest.raises(Misconfigured, match="forwarded_allow_ips"):
        TrustedProxies(addresses)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_ipv6_addresses_are_counted_by_the_network_of_a_customer(
    address: str, network: str
) -> None:
    assert network_of(address) == network
