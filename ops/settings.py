"""The settings that the commands themselves read; all others are passed to the services unchanged."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from contract.embedding import DEFAULT
from contract.settings import QueueSettings, Secret, default_data_dir


class BackupSettings(QueueSettings, frozen=True, kw_only=True):
    """Where backups are stored, how many are kept, and the hook that copies them elsewhere."""

    backup_dir: Path | None = field(default=None, name="DOCQA_BACKUP_DIR")
    backup_hook: str | None = field(default=None, name="DOCQA_BACKUP_HOOK")
    daily: Annotated[int, Meta(ge=0, le=10_000)] = field(default=7, name="DOCQA_BACKUP_DAILY")
    weekly: Annotated[int, Meta(ge=0, le=10_000)] = field(default=4, name="DOCQA_BACKUP_WEEKLY")
    monthly: Annotated[int, Meta(ge=0, le=10_000)] = field(default=6, name="DOCQA_BACKUP_MONTHLY")
    tokens: Path | None = field(default=None, name="DOCQA_TOKENS")

    @property
    def folder(self) -> Path:
        """Inside the data folder by default; another disk is better."""
        return (self.backup_dir or self.data_dir / "backups").absolute()

    @property
    def tokens_file(self) -> Path:
        """The file that `docqa tokens` writes."""
        return (self.tokens or self.data_dir / "tokens.json").absolute()


class PullSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where models are fetched from, and where they are put."""

    hub: str = field(default="https://huggingface.co", name="DOCQA_MODEL_HUB")
    token: Secret | None = field(default=None, name="DOCQA_MODEL_HUB_TOKEN")
    model_path: Path | None = field(default=None, name="MODEL_PATH")
    data_dir: Path = field(default_factory=default_data_dir, name="DOCQA_DATA_DIR")

    @property
    def folder(self) -> Path:
        """Where the worker looks for models, or a folder of the data folder's."""
        return (self.model_path or self.data_dir / "model-files").absolute()


class UpSettings(QueueSettings, frozen=True, kw_only=True):
    """The addresses of the ingress, and the limit of a drain."""

    host: str = field(default="127.0.0.1", name="DOCQA_HOST")
    port: Annotated[int, Meta(ge=0, le=65_535)] = field(default=8000, name="DOCQA_PORT")
    uds: Path | None = field(default=None, name="DOCQA_UDS")
    metrics_addr: str | None = field(default=None, name="DOCQA_METRICS_ADDR")
    drain_s: Annotated[float, Meta(ge=0, le=3600)] = field(default=20.0, name="DOCQA_DRAIN_S")
    token: Secret | None = field(default=None, name="DOCQA_TOKEN")
    tokens: Path | None = field(default=None, name="DOCQA_TOKENS")

    @property
    def socket_path(self) -> Path:
        """Inside the data folder by default, so that everything of one `docqa up` is in one folder."""
        return (self.uds or self.data_dir / "docqa.sock").absolute()


class DocumentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a check before a start needs to know of the library's settings."""

    library_max_mb: Annotated[int, Meta(ge=1)] = field(default=10_240, name="DOCQA_LIBRARY_MAX_MB")
    embedding_model: str = field(default=DEFAULT, name="DOCQA_EMBEDDING_MODEL")
    ocr: Literal["auto", "off"] = field(default="auto", name="DOCQA_OCR")
    root: Path | None = field(default=None, name="DOCQA_ROOT")


class NatsSettings(QueueSettings, frozen=True, kw_only=True):
    """The embedded nats-server's addresses, certificate and passwords."""

    host: str = field(default="127.0.0.1", name="DOCQA_NATS_HOST")
    monitor: str = field(default="127.0.0.1:0", name="DOCQA_NATS_MONITOR")
    cert: Path | None = field(default=None, name="DOCQA_NATS_CERT")
    key: Path | None = field(default=None, name="DOCQA_NATS_KEY")
    ca: Path | None = field(default=None, name="DOCQA_NATS_CA")
    credentials: Path | None = field(default=None, name="DOCQA_NATS_CREDENTIALS")
    public_url: str | None = field(default=None, name="DOCQA_NATS_PUBLIC_URL")
