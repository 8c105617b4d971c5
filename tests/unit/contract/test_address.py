"""Addresses are read and written with brackets around an IPv6 host."""

import socket

import pytest

from contract.address import Address, address_of, parse_address
from contract.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "host"), [("127.0.0.1:80", "127.0.0.1"), ("[::1]:80", "::1"), ("[fe80::1%eth0]:80", "fe80::1%eth0")]
)
def test_what_was_read_is_written_in_the_same_way(text: str, host: str) -> None:
    assert parse_address(text, "--http") == Address(host, 80)
    assert str(parse_address(text, "--http")) == text


@pytest.mark.parametrize("text", ["::1:8000", "fe80::1:80"])
def test_an_ipv6_host_without_brackets_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^--http: .*brackets, as in \[::1\]:8000\.$"):
        parse_address(text, "--http")


def test_the_address_of_an_ipv6_socket_has_brackets() -> None:
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        address = parse_address(address_of(listener), "--http")
        assert address == Address("::1", listener.getsockname()[1])
