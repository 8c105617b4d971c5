"""Messages made by Python's own mail package, and Outlook files made by hand."""

import datetime
import struct
from email.message import EmailMessage

from contract.document_name import document_name
from library.readers import Limits
from tests.integration.library.compound_file import compound_file
from tests.integration.library.conftest import Read, Refused


def message() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Rent for März"
    mail["From"] = "Ann <ann@example.org>"
    mail["To"] = "Bob <bob@example.org>"
    mail["Date"] = "Sun, 01 Mar 2026 10:00:00 +0000"
    mail.set_content("Dear Bob,\n\nthe rent of März is due. The lease is attached.\n")
    mail.add_alternative("<html><body><p>Dear Bob, the same in colours</p></body></html>", subtype="html")
    return mail


async def test_a_message_is_its_heads_and_its_body(read: Read) -> None:
    reading = await read(message().as_bytes())

    assert reading.media_type == "message/rfc822"
    assert reading.title == "Rent for März"
    assert reading.text.split("\n")[:6] == [
        "Subject: Rent for März",
        "From: Ann <ann@example.org>",
        "To: Bob <bob@example.org>",
        "Date: Sun, 01 Mar 2026 10:00:00 +0000",
        "",
        "Dear Bob,",
    ]
    assert "colours" not in reading.text


async def test_attachments_are_documents_of_their_own_under_harmless_names(read: Read) -> None:
    mail = message()
    inner = message()
    inner.replace_header("Subject", "../../inner")
    mail.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="../../etc/lease.pdf")
    mail.add_attachment("words", filename="x" * 4000 + ".txt")
    mail.add_attachment(inner)
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")

    reading = await read(mail.as_bytes())

    try:
        names = [attachment.name for attachment in reading.attachments]
        assert names[0] == "lease.pdf"
        assert names[1] == document_name("x" * 4000 + ".txt")
        assert "/" not in names[2]
        assert names[2].endswith(".eml")
        assert len(names) == 3
        assert reading.attachments[0].file.read() == b"%PDF-1.4"
        assert reading.attachments[0].size_bytes == 8
        assert (await read(reading.attachments[2].file.read())).title == "../../inner"
    finally:
        for attachment in reading.attachments:
            attachment.file.close()


async def test_a_body_of_html_alone_is_read(read: Read) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "s", "a@example.org", "b@example.org"
    mail.set_content("<p>Only <b>colours</b></p><p style='display:none'>secret</p>", subtype="html")

    reading = await read(mail.as_bytes())

    assert "Only colours" in reading.text
    assert [reading.text[span.start : span.end] for span in reading.hidden] == ["secret"]


async def test_a_thousand_attachments_are_one_sentence(refused: Refused) -> None:
    mail = message()
    for number in range(20):
        mail.add_attachment("x", filename=f"{number}.txt")

    assert (await refused(mail.as_bytes(), limits=Limits(attachments=10))).code == "too-large"


async def test_parts_that_nest_without_end_are_one_sentence(refused: Refused) -> None:
    heads = b"From: a@example.org\nTo: b@example.org\nSubject: s\nMIME-Version: 1.0\n"
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))

    failure = await refused(heads + nested)

    assert failure.code in ("too-deep", "no-text", "damaged")


async def test_an_outlook_message_is_read_with_its_attachments(read: Read) -> None:
    since_1601 = datetime.datetime(2026, 3, 1) - datetime.datetime(1601, 1, 1)
    sent = struct.pack("<IIQ", 0x00390040, 6, since_1601 // datetime.timedelta(microseconds=1) * 10)
    content = compound_file(
        {
            "__properties_version1.0": bytes(32) + sent,
            "__substg1.0_0037001F": "Rent for März".encode("utf-16-le"),
            "__substg1.0_0C1A001F": "Ann".encode("utf-16-le"),
            "__substg1.0_5D01001F": "ann@example.org".encode("utf-16-le"),
            "__substg1.0_0E04001F": "Bob".encode("utf-16-le"),
            "__substg1.0_1000001F": "The rent is due.\r\nThe lease is attached.".encode("utf-16-le"),
            "__attach_version1.0_#00000000": {
                "__substg1.0_3707001F": "..\\..\\lease.txt".encode("utf-16-le"),
                "__substg1.0_37010102": b"the lease itself",
            },
        }
    )

    reading = await read(content)

    assert reading.media_type == "application/vnd.ms-outlook"
    assert reading.title == "Rent for März"
    assert reading.text.strip().split("\n") == [
        "Subject: Rent for März",
        "From: Ann <ann@example.org>",
        "To: Bob",
        "Date: 2026-03-01 00:00:00+00:00",
        "",
        "The rent is due.",
        "The lease is attached.",
    ]
    (attachment,) = reading.attachments
    assert (attachment.name, attachment.file.read()) == ("lease.txt", b"the lease itself")
    attachment.file.close()


async def test_a_protected_office_file_says_so(refused: Refused) -> None:
    assert (await refused(compound_file({"EncryptedPackage": bytes(64)}))).code == "encrypted"


async def test_an_outlook_message_that_was_cut_off_is_one_sentence(refused: Refused) -> None:
    content = compound_file({"__properties_version1.0": bytes(32), "__substg1.0_1000001F": b"x\x00" * 9000})

    assert (await refused(content[:600])).code in ("damaged", "unsupported")


async def test_an_old_word_document_names_the_program_that_reads_it(refused: Refused) -> None:
    failure = await refused(compound_file({"WordDocument": bytes(64)}))

    assert failure.code == "program-missing"
    assert "libreoffice-writer" in failure.sentence
