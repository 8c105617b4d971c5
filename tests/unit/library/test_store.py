"""The store: text and index agree, the highest generation wins, and what is erased is on the disk no more."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from contract.documents import Page, Span
from contract.errors import SettingsError
from library.store import schema, terms
from library.store.connections import Connections
from library.store.faults import StoreError
from library.store.records import EmbedderNames, StoredPassage
from library.store.scope import Scope
from library.store.sqlite import FILE, SqliteStore
from library.store.terms import indexed
from library.store.versions import BLOCK_CHARS
from tests.support.library_side import SPACE, begun, files_that_hold, prepared, sha256_of, stored

LEASE = "# Rent\n\nThe rent is 1,200.50 euros a month. It is paid in advance.\n\n# Notice\n\nEither party gives notice."
OWN = Scope(spaces=(SPACE,))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "library")
    yield opened
    opened.close()


def found(store: SqliteStore, query: str, scope: Scope = OWN) -> list[StoredPassage]:
    weights = store.weights(indexed(query).split(), scope)
    return store.load([one.passage for one in store.find_words(weights, scope, 10)])


def test_a_stored_document_is_found_by_its_words_and_read_by_offsets(store: SqliteStore) -> None:
    document = stored(store, LEASE)
    (status,) = store.statuses([document], EmbedderNames())
    assert (status.state, status.characters, status.space) == ("ready", len(LEASE), SPACE)
    passage = found(store, "How high is the rent?")[0]
    assert passage.text == LEASE[passage.start : passage.end]
    assert "1,200.50" in passage.text
    stretch = store.stretch(document, "", 0, 8, 30, 1000)
    assert stretch
    assert stretch.text == LEASE[8:30]


def test_numbers_are_found_as_they_are_written(store: SqliteStore) -> None:
    stored(store, LEASE)
    assert found(store, "1200.50")
    assert not found(store, "1201.50")


@pytest.mark.parametrize("query", ["租金是多少", "เช่า", "арендная плата", "الإيجار"])
def test_words_of_every_script_are_found(store: SqliteStore, query: str) -> None:
    text = "每月租金为一千元。\n\nค่าเช่าเดือนละพันบาท\n\nАрендная плата составляет тысячу.\n\nالإيجار الشهري ألف."  # noqa: RUF001  # as people write it
    stored(store, text)
    assert found(store, query)


def test_offsets_count_code_points_across_blocks(store: SqliteStore) -> None:
    text = "".join(f"Line {number} 😀 grüßt.\n" for number in range(BLOCK_CHARS // 8))
    document = stored(store, text)
    for start, end in (
        (BLOCK_CHARS - 5, BLOCK_CHARS + 5),
        (0, 3),
        (len(text) - 4, len(text) + 10),
        (7, 3 * BLOCK_CHARS),
    ):
        stretch = store.stretch(document, "", 0, start, end, len(text))
        assert stretch
        assert stretch.text == text[start:end]


def test_a_page_is_read_by_its_number(store: SqliteStore) -> None:
    work = begun(store, "One.\nTwo.\n")
    pages = (Page(1, 0, 5), Page(2, 5, 10))
    assert store.commit(work.document, work.generation, prepared("One.\nTwo.\n", pages=pages), "")
    second = store.stretch(work.document, "", 2, 0, None, 100)
    assert second
    assert (second.text, second.pages) == ("Two.\n", [Page(2, 5, 10)])
    assert store.stretch(work.document, "", 3, 0, None, 100) is None


def test_hidden_text_is_found_only_where_it_is_asked_for(store: SqliteStore) -> None:
    text = "Seen words stand here.\n\nInvisible zebras hide here."
    work = begun(store, text)
    assert store.commit(work.document, work.generation, prepared(text, hidden=(Span(24, len(text)),)), "")
    assert not found(store, "zebras")
    assert found(store, "zebras", Scope(spaces=(SPACE,), with_hidden=True))


def test_a_search_sees_its_scope_and_nothing_else(store: SqliteStore) -> None:
    mine = stored(store, LEASE)
    theirs = stored(store, LEASE, space="http.other")
    smith = stored(store, LEASE, "clients/smith/lease.txt", "root")
    assert {one.document for one in found(store, "rent")} == {mine}
    assert {one.document for one in found(store, "rent", Scope(documents=(theirs,)))} == {theirs}
    assert {one.document for one in found(store, "rent", Scope(folders=("clients/smith",)))} == {smith}
    assert {one.document for one in found(store, "rent", Scope(folders=("clients/smith/lease.txt",)))} == {smith}
    assert not found(store, "rent", Scope(folders=("clients/smi",)))
    assert not found(store, "rent", Scope())


def test_a_newer_version_takes_the_place_of_the_former_which_can_still_be_read(store: SqliteStore) -> None:
    document = stored(store, LEASE)
    (before,) = store.statuses([document], EmbedderNames())
    stored(store, "The zebra costs nothing.", document=document)
    (after,) = store.statuses([document], EmbedderNames())
    assert after.version != before.version
    assert not found(store, "rent")
    assert found(store, "zebra")
    cited = store.stretch(document, before.version, 0, 0, None, 1000)
    assert cited
    assert cited.text == LEASE
    assert store.drop_replaced(after.changed_ms + 1) == 1
    assert store.stretch(document, before.version, 0, 0, None, 1000) is None


def test_the_highest_generation_wins_whatever_the_order_of_work(store: SqliteStore) -> None:
    older = begun(store, LEASE)
    newer = begun(store, "Newer.", document=older.document)
    assert newer.generation > older.generation
    assert store.commit(newer.document, newer.generation, prepared("Newer."), "")
    assert not store.commit(older.document, older.generation, prepared(LEASE), "")
    assert store.begin(older) is None
    (status,) = store.statuses([older.document], EmbedderNames())
    assert status.characters == len("Newer.")


def test_a_stored_version_is_never_made_twice(store: SqliteStore) -> None:
    work = begun(store, LEASE)
    assert store.commit(work.document, work.generation, prepared(LEASE), "")
    assert store.begin(work) is None
    assert not store.commit(work.document, work.generation, prepared(LEASE), "")
    assert store.usage().versions == 1


def test_the_same_bytes_again_are_the_same_generation(store: SqliteStore) -> None:
    work = begun(store, LEASE)
    assert store.place(work.document, SPACE, work.sha256).state == "reading"
    store.commit(work.document, work.generation, prepared(LEASE), "")
    again = store.place(work.document, SPACE, work.sha256)
    assert (again.generation, again.state) == (work.generation, "ready")


def test_a_placed_import_that_was_never_published_keeps_its_generation(store: SqliteStore) -> None:
    first, second = (store.place("00000000-0000-8000-8000-000000000001", SPACE, "a" * 64) for _ in range(2))
    assert first == second
    assert first.state == "queued"


def test_a_failure_leaves_what_was_found_before(store: SqliteStore) -> None:
    document = stored(store, LEASE)
    work = begun(store, "broken", document=document)
    assert store.fail(document, work.generation, "damaged", "It is cut off.")
    (status,) = store.statuses([document], EmbedderNames())
    assert (status.state, status.code, bool(status.version)) == ("failed", "damaged", True)
    assert found(store, "rent")
    assert store.begin(work) is None


def test_what_failed_may_be_brought_in_again(store: SqliteStore) -> None:
    work = begun(store, LEASE)
    store.fail(work.document, work.generation, "reader-crashed", "It crashed.")
    again = store.place(work.document, SPACE, work.sha256)
    assert again.state == "queued"
    assert again.generation > work.generation


def test_crashes_and_starts_are_counted_for_each_generation(store: SqliteStore) -> None:
    work = begun(store, LEASE)
    assert store.begin(work) == 1
    assert [store.count_crash(work.document, work.generation) for _ in range(2)] == [1, 2]
    newer = begun(store, "Newer.", document=work.document)
    assert store.count_crash(newer.document, newer.generation) == 1


def test_a_broken_off_transaction_leaves_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    work = begun(store, LEASE)

    def full(*_: object) -> None:
        raise apsw.FullError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr("library.store.documents.settle_ready", full)
        with pytest.raises(StoreError, match="the disk is full"):
            store.commit(work.document, work.generation, prepared(LEASE), "")
    assert not found(store, "rent")
    assert store.usage().versions == 0
    assert store.commit(work.document, work.generation, prepared(LEASE), "")
    assert found(store, "rent")


def test_a_list_is_in_the_order_of_names_and_goes_on_where_it_ended(store: SqliteStore) -> None:
    for name in ("b.txt", "a.txt", "c.txt", "ca.txt"):
        stored(store, name, name)
    first = store.listed(SPACE, "", ("", ""), 2, EmbedderNames())
    assert [one.name for one in first] == ["a.txt", "b.txt"]
    rest = store.listed(SPACE, "", (first[-1].name, first[-1].id), 10, EmbedderNames())
    assert [one.name for one in rest] == ["c.txt", "ca.txt"]
    assert [one.name for one in store.listed(SPACE, "c", ("", ""), 10, EmbedderNames())] == ["c.txt", "ca.txt"]
    assert store.totals(SPACE, "c") == (2, 0)


def test_what_is_erased_answers_nobody_and_is_on_the_disk_no_more(store: SqliteStore) -> None:
    others = [stored(store, f"Other text {number}. " * 50, f"{number}.txt") for number in range(30)]
    document = stored(store, f"{LEASE}\n\nThe xylophonist plays the quinquereme.", "quagmire.txt")
    stored(store, "The later xenolith of a zymurgist.", document=document)
    assert store.add_tombstone(document, "http", "local")
    assert not found(store, "xenolith")
    assert store.stretch(document, "", 0, 0, None, 10) is None
    assert store.erasure_state(document) == "erasing"
    store.remove(document)
    store.finish_erasure(document)
    assert store.erasure_state(document) == "erased"
    words = [b"xylophonist", b"quinquereme", b"xenolith", b"zymurgist", b"quagmire", b"xylophon", b"zymurg"]
    assert not list(files_that_hold(store.folder, words))
    assert len(store.statuses([*others, document], EmbedderNames())) == len(others)


def test_an_open_reader_delays_the_end_of_an_erasure_and_does_not_prevent_it(tmp_path: Path) -> None:
    connections = Connections(tmp_path / FILE)
    with connections.writing() as db:
        db.execute("INSERT INTO facts VALUES('x', 'xylophonist')")
    with connections.reading() as reader:
        assert reader.execute("SELECT value FROM facts").get == "xylophonist"
        connections._writer.set_busy_timeout(0)
        with connections.writing() as db:
            db.execute("DELETE FROM facts")
        assert not connections.truncate_log()
    assert connections.truncate_log()
    assert not list(files_that_hold(tmp_path, [b"xylophonist"]))
    connections.close()


def test_a_late_import_does_not_bring_back_what_was_erased(store: SqliteStore) -> None:
    work = begun(store, LEASE)
    assert store.add_tombstone(work.document, "http", "local")
    assert not store.commit(work.document, work.generation, prepared(LEASE), "")
    assert not store.fail(work.document, work.generation, "damaged", "It is cut off.")
    assert store.begin(work) is None
    store.remove(work.document)
    assert store.begin(work) is None


def test_a_document_that_waits_can_be_erased_too(store: SqliteStore) -> None:
    document = "00000000-0000-8000-8000-000000000001"
    store.place(document, SPACE, "a" * 64)
    assert store.add_tombstone(document, "http", "local")
    assert not store.add_tombstone("00000000-0000-8000-8000-000000000002", "http", "local")


def test_what_was_erased_may_be_brought_in_again_by_hand(store: SqliteStore) -> None:
    document = stored(store, LEASE)
    store.add_tombstone(document, "http", "local")
    store.remove(document)
    store.finish_erasure(document)
    assert stored(store, LEASE) == document
    assert store.erasure_state(document) is None
    assert found(store, "rent")


def test_a_store_restored_from_before_an_erasure_does_not_show_it(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    store = SqliteStore(folder)
    document = stored(store, LEASE)
    kept = stored(store, "Another.", "other.txt")
    assert store.snapshot("backup.db") > 0
    store.add_tombstone(document, "http", "local")
    store.remove(document)
    store.close()
    (folder / "backup.db").replace(folder / FILE)
    restored = SqliteStore(folder)
    assert [one.document for one in restored.pending_erasures()] == [document]
    assert not found(restored, "rent")
    assert restored.place(document, SPACE, sha256_of(LEASE)).state == "queued"
    assert restored.statuses([kept], EmbedderNames())[0].state == "ready"
    restored.close()


def test_an_index_of_other_terms_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path)
    document = stored(store, LEASE)
    store.close()
    monkeypatch.setattr(terms, "FORM", "another")
    terms.fingerprint.cache_clear()
    again = SqliteStore(tmp_path)
    assert found(again, "rent")
    again.add_tombstone(document, "http", "local")
    again.remove(document)
    assert not found(again, "rent")
    again.close()
    terms.fingerprint.cache_clear()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / FILE))
    connection.pragma("user_version", schema.VERSION + 1)
    connection.pragma("application_id", schema.VERSION + 1)
    connection.close()
    with pytest.raises(SettingsError, match="newer version"):
        SqliteStore(tmp_path)


def test_a_store_to_which_a_newer_version_only_added_is_used_and_stays_the_newer_one_s(tmp_path: Path) -> None:
    """A release that is taken back, and put in place again."""
    store = SqliteStore(tmp_path)
    stored(store, "The rent is 950 euros.")
    store.close()
    connection = apsw.Connection(str(tmp_path / FILE))
    connection.execute("ALTER TABLE versions ADD COLUMN later TEXT NOT NULL DEFAULT ''")
    connection.pragma("user_version", schema.VERSION + 1)
    connection.close()
    store = SqliteStore(tmp_path)
    stored(store, "The deposit is 1900 euros.", name="deposit.txt")
    store.check()
    store.close()
    connection = apsw.Connection(str(tmp_path / FILE))
    assert connection.pragma("user_version") == schema.VERSION + 1
    connection.close()


def test_a_document_has_no_name_any_more_from_its_erasure_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    document = stored(store, "The rent is 950 euros.")
    assert store.places_of([document]) == {document: (SPACE, "lease.txt")}
    store.add_tombstone(document, "http", "local")
    assert store.places_of([document]) == {document: (SPACE, "")}
    store.close()


def test_other_rules_of_redaction_leave_no_text_of_the_former_ones_on_the_disk(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Not the version that is replaced, nor one that other content had replaced before; by their raw files."""
    document = stored(store, "The safe opens with quinquereme at night.")
    stored(store, "The gate opens with gossamer at night.", document=document)
    assert {word for _, word in files_that_hold(tmp_path, [b"quinquereme", b"gossamer"])} == {
        b"quinquereme",
        b"gossamer",
    }
    work = begun(store, "The gate opens with [REDACTED:password] at night.", document=document)
    stricter = prepared("The gate opens with [REDACTED:password] at night.", rules="2")
    assert store.commit(document, work.generation, stricter, "")
    assert not list(files_that_hold(tmp_path, [b"quinquereme", b"gossamer"]))
    assert [one.version for one in found(store, "gate")] == [stricter.version]
    store.check()


def test_a_version_that_other_content_replaced_is_kept_for_those_who_cite_it(store: SqliteStore) -> None:
    document = stored(store, "The safe opens at night.")
    (former,) = found(store, "safe")
    stored(store, "The gate opens at night.", document=document)
    kept = store.stretch(document, former.version, 0, 0, None, 1000)
    assert kept
    assert kept.text == "The safe opens at night."
    assert not found(store, "safe")
