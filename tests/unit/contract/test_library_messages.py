"""What is asked of the library and how it answers: names, bounds, unknown values, refusals."""

import pytest

from contract import library_messages as messages
from contract.documents import document_id, version_id
from contract.errors import BadMessageError, BadNameError, LibraryRefusedError
from contract.search_messages import SearchRequest
from contract.topology import ImportName, LibraryAddress, private_space

DOCUMENT = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3"
SHA256 = "a" * 64


def test_an_import_is_named_by_its_owner_its_document_and_its_generation() -> None:
    name = ImportName("http", "local", DOCUMENT, 1_764_000_000_123)
    assert name.subject == f"docqa.imports.http.local.{DOCUMENT}.1764000000123"
    assert ImportName.from_subject(name.subject) == name
    assert name.spool_name == f"{DOCUMENT}.1764000000123"


@pytest.mark.parametrize(
    "subject",
    [
        f"docqa.imports.http.local.{DOCUMENT}",
        f"docqa.imports.http.local.{DOCUMENT}.0",
        f"docqa.imports.http.local.{DOCUMENT}.-1",
        f"docqa.imports.http.local.{DOCUMENT}.1.2",
        f"docqa.imports.http.local.{DOCUMENT}.12345678901234567",
        "docqa.imports.http.local.../../etc/passwd.1",
        f"docqa.imports.HTTP.local.{DOCUMENT}.1",
        f"docqa.jobs.http.local.{DOCUMENT}.1",
    ],
)
def test_no_other_subject_names_an_import(subject: str) -> None:
    with pytest.raises(BadNameError):
        ImportName.from_subject(subject)


@pytest.mark.parametrize("subject", ["docqa.library.read.http", "docqa.library.read.http.a.b", "docqa.other.a.b.c"])
def test_no_other_subject_asks_the_library(subject: str) -> None:
    with pytest.raises(BadNameError):
        LibraryAddress.from_subject(subject)


def test_a_clients_own_space_has_the_name_of_no_shared_one() -> None:
    address = LibraryAddress.from_subject("docqa.library.search.http.root")
    assert address.space == private_space("http", "root") == "http.root"


def test_the_same_content_under_the_same_name_in_the_same_space_is_the_same_document() -> None:
    first = document_id("http.local", "lease.pdf", SHA256)
    assert first == document_id("http.local", "lease.pdf", SHA256)
    others = {
        document_id("http.other", "lease.pdf", SHA256),
        document_id("http.local", "lease2.pdf", SHA256),
        document_id("http.local", "lease.pdf", "b" * 64),
    }
    assert len(others | {first}) == 4


def test_another_reader_or_other_rules_make_another_version() -> None:
    versions = {version_id(SHA256, reader, rules) for reader in ("1", "2") for rules in ("1", "2")}
    assert len(versions) == 4


def test_a_reader_takes_states_and_members_that_it_does_not_know() -> None:
    body = b'{"documents":[{"id":"x","space":"s","name":"n","state":"archived","generation":1,"colour":"blue"}]}'
    assert messages.decode_reply(messages.StatusReply, body).documents[0].state == "archived"


def test_a_refusal_is_raised_with_its_code_and_its_sentence() -> None:
    body = messages.encode(messages.Refusal(refused="library-full", detail="The library is full.", retry_after_s=7))
    with pytest.raises(LibraryRefusedError, match="full") as refused:
        messages.decode_reply(messages.StatusReply, body)
    assert (refused.value.code, refused.value.retry_after_s) == ("library-full", 7)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"query":""}', "query"),
        (b'{"query":"x","documents":["../../etc"]}', "documents"),
        (b'{"query":"x","limit":1000}', "limit"),
        (b"{", "JSON"),
        (b"\xff", "JSON"),
    ],
)
def test_a_bad_request_names_the_field(body: bytes, names: str) -> None:
    with pytest.raises(BadMessageError, match=names):
        messages.decode_request(SearchRequest, body)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"query": "rent", "limit": 5}',
        b'{"query": "rent", "limit": 5.0, "space": null, "documents": null, "path": null, "hidden": null}',
    ],
)
def test_a_request_is_read_as_leniently_as_a_question(body: bytes) -> None:
    assert messages.decode_request(SearchRequest, body) == SearchRequest(query="rent", limit=5)
