"""What hey said is read from its CSV; what broke is not in there."""

from collections import Counter

from bench.commands.hey import statuses

SAID = """\
response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset
0.0023,0.0011,0.0000,0.0001,0.0011,0.0000,429,0.0010
0.0504,0.0000,0.0000,0.0000,0.0504,0.0000,200,0.0010
0.0021,0.0000,0.0000,0.0000,0.0021,0.0000,429,0.0034
"""


def test_statuses_are_counted_and_what_broke_is_missing_from_the_lines() -> None:
    assert statuses(SAID, 5) == Counter({429: 2, 200: 1, 0: 2})
    assert statuses(SAID, 3)[0] == 0
