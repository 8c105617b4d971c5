"""The worker's settings."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from contract.errors import SettingsError
from contract.settings import BusSettings, Environment, Seconds


class WorkerSettings(BusSettings, frozen=True, kw_only=True):
    """How the worker takes jobs and which engine answers them."""

    environment: Environment = field(default="development", name="DOCQA_ENV")
    enable_local_model: bool = field(default=True, name="DOCQA_ENABLE_LOCAL_MODEL")
    engine: Literal["llama", "echo"] = field(default="llama", name="DOCQA_ENGINE")
    echo_delay_s: Annotated[float, Meta(ge=0, le=3600)] = field(default=0.0, name="DOCQA_ECHO_DELAY_S")
    model_path: Path | None = field(default=None, name="MODEL_PATH")
    model_name: str | None = field(default=None, name="MODEL_NAME")
    model_quantization: str = field(default="auto", name="MODEL_QUANTIZATION")
    slots: Annotated[int, Meta(ge=1, le=128)] = field(default=8, name="DOCQA_SLOTS")
    threads: Annotated[int, Meta(ge=0, le=512)] = field(default=0, name="DOCQA_THREADS")
    ack_wait_s: Annotated[float, Meta(ge=0.5, le=3600)] = field(default=30.0, name="DOCQA_ACK_WAIT_S")
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = field(default=3, name="DOCQA_MAX_ATTEMPTS")
    job_deadline_s: Seconds = field(default=120.0, name="DOCQA_JOB_DEADLINE_S")
    drain_s: Annotated[float, Meta(ge=0, le=3600)] = field(default=20.0, name="DOCQA_DRAIN_S")
    metrics_addr: str = field(default="127.0.0.1:9109", name="DOCQA_METRICS_ADDR")

    def __post_init__(self) -> None:
        if self.engine == "echo" and self.environment == "production":
            raise SettingsError(
                "DOCQA_ENGINE: the echo engine answers nothing real and does not run with DOCQA_ENV=production."
            )
