"""Uploads: how a file is found in a request, what its name becomes, how it reaches the disk."""

import contextlib
import hashlib
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.document_name import MAX_NAME_CHARS, document_name
from ingress.documents.spool import Spool
from ingress.documents.upload import Upload, receive
from ingress.problems import Problem

FORM = {"content-type": "multipart/form-data; boundary=xx"}


async def pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def form(*fields: tuple[str, str, bytes]) -> bytes:
    parts = [
        f'--xx\r\nContent-Disposition: form-data; name="{name}"{options}\r\n\r\n'.encode() + content + b"\r\n"
        for name, options, content in fields
    ]
    return b"".join(parts) + b"--xx--\r\n"


async def read(upload: Upload) -> bytes:
    return b"".join([chunk async for chunk in upload.chunks])


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_the_file_of_a_form_is_its_field_file_however_it_is_cut(size: int) -> None:
    body = form(("note", "", b"hello"), ("file", '; filename="lease.pdf"', b"%PDF\r\n--x\r\n" * 50), ("last", "", b"x"))
    upload = await receive(FORM, pieces(body[at : at + size] for at in range(0, len(body), size)))
    assert upload.name == "lease.pdf"
    assert await read(upload) == b"%PDF\r\n--x\r\n" * 50


async def test_a_body_that_is_no_form_is_the_file_itself() -> None:
    headers = {
        "content-type": "application/pdf",
        "content-disposition": "attachment; filename*=UTF-8''Mietvertrag%20%C3%A4.pdf",
    }
    upload = await receive(headers, pieces([b"%P", b"DF"]))
    assert (upload.name, upload.media_type, await read(upload)) == ("Mietvertrag ä.pdf", "application/pdf", b"%PDF")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (form(("other", "", b"x")), "no field `file`"),
        (b"--xx\r\nno header", "can't be read"),
        (b"", "can't be read"),
        (form(("file", '; filename="a"', b"a"), ("file", '; filename="b"', b"b")), "several fields `file`"),
    ],
    ids=["another field", "cut off", "empty", "two files"],
)
async def test_a_form_without_one_file_is_refused_with_the_way_out(body: bytes, says: str) -> None:
    with pytest.raises(Problem, match=says) as refused:
        await read(await receive(FORM, pieces([body])))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("lease.pdf", "lease.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\lease.pdf", "lease.pdf"),
        ("a\x1b[2Jb\r\n.pdf", "a [2Jb .pdf"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("<img onerror=alert(1)>", "<img onerror=alert(1)>"),
        ("..", "document"),
        ("", "document"),
        ("x/", "x"),
    ],
)
def test_a_name_is_the_last_part_of_a_path_on_one_line(given: str, name: str) -> None:
    assert document_name(given) == name


def test_a_long_name_keeps_its_ending() -> None:
    name = document_name("a" * 4000 + ".pdf")
    assert len(name) == MAX_NAME_CHARS
    assert name.endswith("a.pdf")


async def test_a_received_file_is_whole_on_the_disk_and_gone_unless_it_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 100)
    async with spool.received(pieces([b"ab", b"cd"])) as spooled:
        assert spooled.path.read_bytes() == b"abcd"
        assert (spooled.size_bytes, spooled.sha256) == (4, hashlib.sha256(b"abcd").hexdigest())
    assert list((tmp_path / "spool").iterdir()) == []
    async with spool.received(pieces([b"kept"])) as spooled:
        await spool.keep(spooled, "a.1")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "spool").iterdir()] == [("a.1", b"kept")]


async def test_a_file_of_more_bytes_than_the_limit_is_413_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Problem) as refused:
        async with Spool(tmp_path, 5).received(pieces([b"abc", b"def"])):
            pass
    assert (refused.value.status, refused.value.kind) == (413, "document-too-large")
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_is_nearly_full_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bus stops when its disk is full."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2**29))
    with pytest.raises(Problem) as refused:
        async with Spool(tmp_path, 100).received(pieces([b"abc"])):
            pass
    assert (refused.value.status, refused.value.kind, refused.value.headers) == (
        429,
        "library-full",
        {"Retry-After": "60"},
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sent", "name"), [(b"M\xfcller.txt", "Müller.txt"), ("Müller €.txt".encode(), "Müller €.txt")]
)
async def test_a_name_in_an_older_clients_encoding_is_read(sent: bytes, name: str) -> None:
    body = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\nx\r\n--xx--\r\n' % sent
    upload = await receive(FORM, pieces([body]))
    assert (upload.name, await read(upload)) == (name, b"x")


@given(st.binary(max_size=300), st.lists(st.integers(1, 60), max_size=8))
async def test_any_bytes_as_a_form_are_a_file_or_a_problem(noise: bytes, sizes: list[int]) -> None:
    whole = form(("note", "", b"x"), ("file", '; filename="a.txt"', b"The rent."))
    for body in (noise, whole[: len(noise)] + noise, noise + whole, whole + noise):
        pieces_of, rest = [], body
        for size in sizes:
            pieces_of.append(rest[:size])
            rest = rest[size:]
        with contextlib.suppress(Problem):
            upload = await receive(FORM, pieces([*pieces_of, rest]))
            assert isinstance(await read(upload), bytes)


@given(st.binary(max_size=60))
async def test_any_head_of_a_part_is_a_name_or_a_problem(head: bytes) -> None:
    body = b"--xx\r\nContent-Disposition: form-data; name=file; %b\r\n\r\nx\r\n--xx--\r\n" % head
    with contextlib.suppress(Problem):
        upload = await receive(FORM, pieces([body]))
        assert upload.name
        assert upload.name.isprintable()
        await read(upload)


@given(st.text(max_size=60), st.text(max_size=60))
async def test_any_headers_of_an_upload_are_a_name_or_a_problem(disposition: str, media_type: str) -> None:
    headers = {"content-type": media_type, "content-disposition": disposition}
    with contextlib.suppress(Problem):
        upload = await receive(headers, pieces([b"x"]))
        assert upload.name
