"""The ingress's settings."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from contract.documents import LIBRARY_FOLDER, SPOOL_FOLDER
from contract.rate import Rate
from contract.settings import Megabytes, Seconds, Secret, ServiceSettings, default_data_dir
from contract.token_file import Share

MAX_SOCKET_PATH_BYTES = 107
HeaderName = Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9-]{0,63}$")]
_TAKEN_HEADERS = frozenset({"accept", "authorization", "content-length", "content-type", "cookie", "host", "origin"})


class IngressSettings(ServiceSettings, frozen=True, kw_only=True):
    """Where the ingress listens, whom it believes and how long it waits."""

    uds: Path = field(default_factory=lambda: default_data_dir() / "docqa.sock", name="DOCQA_UDS")
    host: str = field(default="127.0.0.1", name="DOCQA_HOST")
    port: Annotated[int, Meta(ge=0, le=65_535)] = field(default=8000, name="DOCQA_PORT")
    metrics_addr: str = field(default="127.0.0.1:9108", name="DOCQA_METRICS_ADDR")
    token: Secret | None = field(default=None, name="DOCQA_TOKEN")
    tokens: Path | None = field(default=None, name="DOCQA_TOKENS")
    rate_limit: Rate | None = field(default=None, name="DOCQA_RATE_LIMIT")
    client_share: Share = field(default=1.0, name="DOCQA_CLIENT_SHARE")
    data_dir: Path = field(default_factory=default_data_dir, name="DOCQA_DATA_DIR")
    audit_log: str | None = field(default=None, name="DOCQA_AUDIT_LOG")
    max_request_size_mb: Megabytes = field(default=1, name="MAX_REQUEST_SIZE_MB")
    sync_wait_s: Seconds = field(default=30.0, name="DOCQA_SYNC_WAIT_S")
    job_deadline_s: Seconds = field(default=300.0, name="DOCQA_JOB_DEADLINE_S")
    document_max_mb: Annotated[int, Meta(ge=1, le=4096)] = field(default=200, name="DOCQA_DOCUMENT_MAX_MB")
    embedding_model: str = field(default="auto", name="DOCQA_EMBEDDING_MODEL")
    user_header: HeaderName | None = field(default=None, name="DOCQA_USER_HEADER")
    openai_sources: Literal["both", "text", "annotations", "off"] = field(default="both", name="DOCQA_OPENAI_SOURCES")

    def __post_init__(self) -> None:
        if len(str(self.uds).encode()) > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f"DOCQA_UDS is longer than the {MAX_SOCKET_PATH_BYTES} bytes that a Unix socket's path may have"
            )

        if self.user_header and self.user_header.lower() in _TAKEN_HEADERS:
            raise ValueError(
                f"DOCQA_USER_HEADER: {self.user_header} has another meaning: name one of its own, X-User say"
            )

    @property
    def document_max_bytes(self) -> int:
        return self.document_max_mb * 2**20

    @property
    def spool_folder(self) -> Path:
        """Where uploads wait to be read; the library looks there."""
        return (self.data_dir / LIBRARY_FOLDER / SPOOL_FOLDER).absolute()

    @property
    def max_body_bytes(self) -> int:
        return self.max_request_size_mb * 2**20
