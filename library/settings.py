"""The library's settings."""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, field

from contract.documents import LIBRARY_FOLDER
from contract.embedding import DEFAULT
from contract.settings import Secret, ServiceSettings, default_data_dir
from library.readers import Ocr


class LibrarySettings(ServiceSettings, frozen=True, kw_only=True):
    """What the library keeps, how much of it, and where."""

    data_dir: Path = field(default_factory=default_data_dir, name="DOCQA_DATA_DIR")
    metrics_addr: str = field(default="127.0.0.1:9110", name="DOCQA_METRICS_ADDR")
    ack_wait_s: Annotated[float, Meta(ge=0.5, le=3600)] = field(default=30.0, name="DOCQA_ACK_WAIT_S")
    library_max_mb: Annotated[int, Meta(ge=1)] = field(default=10_240, name="DOCQA_LIBRARY_MAX_MB")
    document_max_mb: Annotated[int, Meta(ge=1, le=4096)] = field(default=200, name="DOCQA_DOCUMENT_MAX_MB")
    keep_originals: bool = field(default=True, name="DOCQA_KEEP_ORIGINALS")
    versions_keep_days: Annotated[float, Meta(ge=0, le=36_500)] = field(default=30.0, name="DOCQA_VERSIONS_KEEP_DAYS")
    embedding_model: str = field(default=DEFAULT, name="DOCQA_EMBEDDING_MODEL")
    ocr: Ocr = field(default="auto", name="DOCQA_OCR")
    root: Path | None = field(default=None, name="DOCQA_ROOT")
    token: Secret | None = field(default=None, name="DOCQA_TOKEN")
    tokens: Path | None = field(default=None, name="DOCQA_TOKENS")

    @property
    def folder(self) -> Path:
        """Below the data folder: the library's own."""
        return (self.data_dir / LIBRARY_FOLDER).absolute()

    @property
    def has_tokens(self) -> bool:
        """True if clients are distinguished; without tokens there is one user, who may read all that is shared."""
        return self.token is not None or self.tokens is not None

    @property
    def max_bytes(self) -> int:
        return self.library_max_mb * 2**20

    @property
    def document_max_bytes(self) -> int:
        return self.document_max_mb * 2**20


ROLE: Final = "library"
"""On the bus, in logs and metrics."""
