"""What the library shows to Prometheus."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from contract.library_messages import ScanReply
from contract.runtime.metrics import count_redactions
from library.store.files import Files
from library.store.records import Prepared, Usage

VERSIONS: Final = Counter("docqa_library_versions_total", "Versions of documents that were read and stored.")
PAGES: Final = Counter("docqa_library_pages_total", "Pages of them; a document without pages counts as one.")
CHARACTERS: Final = Counter("docqa_library_characters_total", "Characters of them.")
FAILURES: Final = Counter("docqa_library_failures_total", "Documents that could not be read, by reason.", ["code"])
CRASHES: Final = Counter("docqa_library_reader_crashes_total", "Readers that crashed or ran out of time or memory.")
ERASED: Final = Counter("docqa_library_erased_total", "Documents that were erased.")
RUNNING: Final = Gauge("docqa_library_imports_running", "Documents that are being read.")
WAITING_BYTES: Final = Gauge("docqa_library_spool_bytes", "Files that wait to be read.")
DOCUMENTS: Final = Gauge("docqa_library_documents", "Documents that are kept.")
PASSAGES: Final = Gauge("docqa_library_passages", "Passages that can be found.")
STORE_BYTES: Final = Gauge("docqa_library_store_bytes", "The texts' and the index's files.")
ORIGINALS_BYTES: Final = Gauge("docqa_library_originals_bytes", "The originals that are kept.")
UNEMBEDDED: Final = Gauge("docqa_library_versions_without_vectors", "Versions that can't be found by meaning yet.")
WAITING: Final = Gauge("docqa_library_queue_length", "Documents that wait on the message bus or are being read.")
OLDEST_WAITING: Final = Gauge(
    "docqa_library_oldest_waiting_seconds", "Age of the oldest document that waits on the message bus; 0: none."
)
ROOT_FILES: Final = Gauge("docqa_library_root_files", "Files below DOCQA_ROOT.")
ROOT_WAITING: Final = Gauge("docqa_library_root_waiting", "Files below DOCQA_ROOT that are still to be read.")
ROOT_ODD: Final = Gauge("docqa_library_root_odd", "Entries below DOCQA_ROOT that are left alone.")
ROOT_REMOVALS_HELD: Final = Gauge(
    "docqa_library_root_removals_held", "Missing files whose documents stay until this is confirmed."
)
ROOT_PROBLEM: Final = Gauge("docqa_library_root_problem", "1 while DOCQA_ROOT needs a look, else 0.")
IMPORT_SECONDS: Final = Histogram(
    "docqa_library_import_seconds",
    "From taking up a document to its version or failure.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200),
)
REQUEST_SECONDS: Final = Histogram(
    "docqa_library_request_seconds",
    "From a request to its reply.",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2),
)
REFUSALS: Final = Counter("docqa_library_refusals_total", "Requests that were refused, by reason.", ["code"])


def count_version(prepared: Prepared) -> None:
    VERSIONS.inc()
    PAGES.inc(max(len(prepared.pages), 1))
    CHARACTERS.inc(len(prepared.text))
    count_redactions(prepared.redactions)


def count_failure(code: str) -> None:
    FAILURES.labels(code).inc()


def show_waiting_bytes(files: Files) -> None:
    WAITING_BYTES.set(files.spooled_bytes())


def show_usage(usage: Usage) -> None:
    DOCUMENTS.set(usage.documents)
    PASSAGES.set(usage.passages)
    STORE_BYTES.set(usage.store_bytes)
    ORIGINALS_BYTES.set(usage.originals_bytes)


def show_root(found: ScanReply) -> None:
    ROOT_FILES.set(found.files)
    ROOT_WAITING.set(found.waiting)
    ROOT_ODD.set(found.odd_count)
    ROOT_REMOVALS_HELD.set(found.removals_held)
    ROOT_PROBLEM.set(bool(found.problem))
