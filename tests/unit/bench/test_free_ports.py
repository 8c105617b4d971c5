"""Ports for servers that others must know before they run."""

import random
import socket

from bench.targets.free_ports import free_ports


def test_they_differ_can_be_listened_on_and_are_none_that_the_kernel_lends() -> None:
    found = free_ports(20)
    assert len(set(found)) == 20
    assert max(found) < 32_768
    for port in found:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_programs_with_the_same_seed_draw_others() -> None:
    random.seed(1)
    first = free_ports(5)
    random.seed(1)
    assert free_ports(5) != first
