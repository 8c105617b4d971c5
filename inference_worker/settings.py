"""The worker's settings."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from contract.errors import SettingsError
from contract.messages import Style
from contract.settings import (
    CacheSeconds,
    Seconds,
    Secret,
    ServiceSettings,
    Slots,
    default_data_dir,
    default_model_cache,
)

Abstain = Literal["mark", "refuse", "off"]
"""What is done where a document does not seem to hold the answer."""

Reading = Annotated[str, Meta(pattern="^(?:auto|evidence|whole|[1-9][0-9]{1,5})$")]
"""What the local model reads of a document: so many tokens of evidence, all, or what was measured to be better."""

Policy = Literal["local", "proxy", "local-then-proxy", "proxy-then-local"]
"""Who answers; the second one where the first one can't."""


class WorkerSettings(ServiceSettings, frozen=True, kw_only=True):
    """How the worker takes jobs and which engine answers them."""

    enable_local_model: bool = field(default=True, name="DOCQA_ENABLE_LOCAL_MODEL")
    engine: Literal["llama", "echo"] = field(default="llama", name="DOCQA_ENGINE")
    echo_delay_s: Annotated[float, Meta(ge=0, le=3600)] = field(default=0.0, name="DOCQA_ECHO_DELAY_S")
    model_path: Path | None = field(default=None, name="MODEL_PATH")
    model_name: str | None = field(default=None, name="MODEL_NAME")
    model_quantization: str = field(default="auto", name="MODEL_QUANTIZATION")
    tune: Literal["idle", "off"] = field(default="idle", name="DOCQA_TUNE")
    model_cache: Path = field(default_factory=default_model_cache, name="DOCQA_MODEL_CACHE")
    model_snapshots: Path | None = field(default=None, name="DOCQA_MODEL_SNAPSHOTS")
    model_check: Literal["fast", "full", "off"] = field(default="fast", name="DOCQA_MODEL_CHECK")
    data_dir: Path = field(default_factory=default_data_dir, name="DOCQA_DATA_DIR")
    llama_compiling: Path | None = field(default=None, name="DOCQA_LLAMA_COMPILING")
    slots: Slots = field(default=8, name="DOCQA_SLOTS")
    threads: Annotated[int, Meta(ge=0, le=512)] = field(default=0, name="DOCQA_THREADS")
    gpu_layers: Annotated[int, Meta(ge=0, le=1000)] = field(default=0, name="DOCQA_GPU_LAYERS")
    context_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] = field(default=0, name="DOCQA_CONTEXT_TOKENS")
    prefix_cache_mb: Annotated[int, Meta(ge=0, le=1_000_000)] = field(default=512, name="DOCQA_PREFIX_CACHE_MB")
    share_prefixes: Literal["client", "all"] = field(default="client", name="DOCQA_SHARE_PREFIXES")
    ack_wait_s: Annotated[float, Meta(ge=0.5, le=3600)] = field(default=30.0, name="DOCQA_ACK_WAIT_S")
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = field(default=3, name="DOCQA_MAX_ATTEMPTS")
    job_deadline_s: Seconds = field(default=300.0, name="DOCQA_JOB_DEADLINE_S")
    drain_s: Annotated[float, Meta(ge=0, le=3600)] = field(default=20.0, name="DOCQA_DRAIN_S")
    stall_s: Annotated[float, Meta(ge=0.5, le=3600)] = field(default=30.0, name="DOCQA_STALL_S")
    backend: Policy | None = field(default=None, name="DOCQA_BACKEND")
    proxy_url: str | None = field(default=None, name="COPILOT_API_URL")
    proxy_key: Secret | None = field(default=None, name="COPILOT_API_KEY")
    proxy_model: str | None = field(default=None, name="DOCQA_PROXY_MODEL")
    proxy_context_tokens: Annotated[int, Meta(ge=256, le=10_000_000)] = field(
        default=128_000, name="DOCQA_PROXY_CONTEXT_TOKENS"
    )
    proxy_allow_http: bool = field(default=False, name="DOCQA_PROXY_ALLOW_HTTP")
    proxy_first_byte_s: Seconds = field(default=60.0, name="DOCQA_PROXY_FIRST_BYTE_S")
    proxy_idle_s: Seconds = field(default=30.0, name="DOCQA_PROXY_IDLE_S")
    cache_enabled: bool = field(default=True, name="COPILOT_CACHE_ENABLED")
    cache_ttl_s: CacheSeconds = field(default=3600.0, name="COPILOT_CACHE_TTL_S")
    cache_shared: bool = field(default=False, name="COPILOT_CACHE_SHARED")
    token_budget_daily: Annotated[int, Meta(ge=0, le=10**12)] | None = field(
        default=None, name="COPILOT_TOKEN_BUDGET_DAILY"
    )
    embedding_model: str = field(default="auto", name="DOCQA_EMBEDDING_MODEL")
    style: Style = field(default="auto", name="DOCQA_STYLE")
    read: Reading = field(default="auto", name="DOCQA_READ")
    abstain: Abstain = field(default="mark", name="DOCQA_ABSTAIN")
    support_min: Annotated[float, Meta(ge=0, le=1)] | None = field(default=None, name="DOCQA_SUPPORT_MIN")
    metrics_addr: str = field(default="127.0.0.1:9109", name="DOCQA_METRICS_ADDR")

    @property
    def snapshots_folder(self) -> Path:
        """Where snapshots of models are, and the record that the model is held against."""
        return (self.model_snapshots or self.data_dir / "model-snapshots").absolute()

    def __post_init__(self) -> None:
        if self.engine == "echo" and self.environment == "production":
            raise SettingsError(
                "DOCQA_ENGINE: the echo engine answers nothing real and does not run with DOCQA_ENV=production."
            )
        if self.backend == "local" and not self.enable_local_model:
            raise SettingsError(
                "DOCQA_BACKEND: `local` with DOCQA_ENABLE_LOCAL_MODEL=false leaves no model: change one of them."
            )

    @property
    def policy(self) -> Policy:
        """Who answers, all settings taken together."""
        if not self.enable_local_model:
            return "proxy"
        return self.backend or "local"
