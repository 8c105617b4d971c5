"""The file of spaces and grants: what may stand in it, and whose a grant is."""

import pytest

from contract.grants_file import Grant, GrantsFile, GrantsFileError, decode, encode

READ = Grant(publisher="http", client="anna", space="contracts", access="read")
FOLDER = Grant(publisher="http", client="anna", space="root/clients/smith", access="read")
FILE = GrantsFile(spaces=("contracts",), grants=(READ, FOLDER))


def test_the_file_comes_back_as_it_was_written() -> None:
    assert decode(encode(FILE)) == FILE


def test_a_grant_is_one_clients_of_one_publisher() -> None:
    assert FILE.of("http", "anna") == (READ, FOLDER)
    assert not FILE.of("alice", "anna")
    assert not FILE.of("http", "ann")


@pytest.mark.parametrize(
    "text",
    [
        '{"spaces":["root"]}',
        '{"spaces":["http.anna"]}',
        '{"grants":[{"publisher":"http","client":"a","space":"missing","access":"read"}]}',
        '{"grants":[{"publisher":"http","client":"a","space":"http.b","access":"read"}]}',
        '{"grants":[{"publisher":"http","client":"a","space":"root/../x","access":"read"}]}',
        '{"grants":[{"publisher":"http","client":"a","space":"root","access":"write"}]}',
        '{"grants":[{"publisher":"http","client":"a.b","space":"root","access":"read"}]}',
        '{"v":2}',
        "no JSON",
    ],
)
def test_what_would_open_more_than_was_meant_is_refused(text: str) -> None:
    with pytest.raises(GrantsFileError):
        decode(text.encode())
