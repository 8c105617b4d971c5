"""Loads settings from the environment into frozen Structs and refuses unknown names.

A setting is a Struct's field whose encoded name is the variable's: `msgspec.field(name="DOCQA_SLOTS")`.
Knows the names of all services' settings, since one file of variables serves them all.
"""

import difflib
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, field

from contract import tls
from contract.errors import SettingsError
from contract.redaction import custom_rules
from contract.redaction.redactor import BUILT_IN, KEEPABLE, KEPT, LOCAL, OPTIONAL, Redactor


class Secret:
    """A secret text that never appears in a log, a traceback or a repr; `reveal` returns it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"


Environment = Literal["development", "production"]
Megabytes = Annotated[int, Meta(ge=1, le=32)]
_STORE_KEY = re.compile(r"[A-Za-z0-9_+/=-]{32,256}")
Seconds = Annotated[float, Meta(gt=0, le=604_800)]
Slots = Annotated[int, Meta(ge=1, le=128)]
QUEUE_PER_SLOT: Final = 4
"""Of the queue's bound where none is set: a worker holds up to two jobs a slot, and as many again may wait."""
CacheSeconds = Annotated[float, Meta(ge=1, le=604_800)]


def default_data_dir() -> Path:
    """The default folder for a user's data."""
    return _in_home(Path("~/.local/share/goblin-docqa"), "DOCQA_DATA_DIR")


def default_model_cache() -> Path:
    """The default folder for files derived from models; shared by a user's data folders, since they can be rebuilt."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _in_home(Path(caches), "DOCQA_MODEL_CACHE") / "goblin-docqa" / "models"


def _in_home(path: Path, name: str) -> Path:
    """The path with `~` replaced; raises SettingsError, which names the setting, if this user has no home folder."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise SettingsError(f"{name}: this user has no home folder (HOME is not set): name a folder.") from None


class BusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a service reaches the bus."""

    nats_url: str = field(default="nats://127.0.0.1:4222", name="DOCQA_NATS_URL")
    nats_password: Secret | None = field(default=None, name="DOCQA_NATS_PASSWORD")
    nats_ca: Path | None = field(default=None, name="DOCQA_NATS_CA")

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS context, None without TLS; raises SettingsError where that would expose the password."""
        return tls.tls_context(self.nats_url, self.nats_ca)


class RedactionSettings(BusSettings, frozen=True, kw_only=True):
    """What a service redacts beyond the kinds that are always redacted."""

    redact: str | None = field(default=None, name="DOCQA_REDACT")
    redaction_rules: Path | None = field(default=None, name="DOCQA_REDACTION_RULES")

    def redactor_of_all_kinds(self) -> Redactor:
        """For texts that leave the machine: also the kinds that need not be asked for here. Raises SettingsError."""
        return Redactor(OPTIONAL.keys(), self._own_rules())

    def redactor(self) -> Redactor:
        """For texts that stay on this machine; raises SettingsError for an unknown kind or an invalid rule."""
        added, kept = self._kinds()
        rules = self._own_rules()
        return Redactor(added, rules, kept) if added or rules or kept != KEPT else LOCAL

    def outward_redactor(self) -> Redactor:
        """For dead letters and logs: nothing is kept. Raises what `redactor` raises."""
        added, _ = self._kinds()
        rules = self._own_rules()
        return Redactor(added, rules) if added or rules else BUILT_IN

    def _kinds(self) -> tuple[frozenset[str], frozenset[str]]:
        """Optional kinds that go, and others that stay."""
        named = set((self.redact or "").replace(",", " ").split())
        kept = {kind.removeprefix("-") for kind in named if kind.startswith("-")}
        added = {kind for kind in named if not kind.startswith("-")}
        for kind in sorted(kept - KEEPABLE - OPTIONAL.keys()):
            known = ", ".join(f"`-{name}`" for name in sorted(KEEPABLE))
            raise SettingsError(f"DOCQA_REDACT: `-{kind}` can't be kept; {known} can.")
        for kind in sorted(added - OPTIONAL.keys() - KEEPABLE):
            known = ", ".join(f"`{name}`" for name in sorted({*OPTIONAL, *KEPT}))
            raise SettingsError(
                f"DOCQA_REDACT: `{kind}` can't be asked for; {known} can, and all else is always taken out."
            )
        return frozenset((added & OPTIONAL.keys()) - kept), frozenset((KEPT | (kept & KEEPABLE)) - added)

    def _own_rules(self) -> Sequence[custom_rules.OwnRule]:
        return custom_rules.read(self.redaction_rules) if self.redaction_rules else ()


class ServiceSettings(RedactionSettings, frozen=True, kw_only=True):
    """Settings of every long-running service."""

    environment: Environment = field(default="development", name="DOCQA_ENV")


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds and lifetimes of the streams that `docqa nats` sets up."""

    max_queue_size: Annotated[int, Meta(ge=1, le=1_000_000)] | None = field(default=None, name="MAX_QUEUE_SIZE")
    slots: Slots = field(default=8, name="DOCQA_SLOTS")
    max_request_size_mb: Megabytes = field(default=1, name="MAX_REQUEST_SIZE_MB")
    library_queue: Annotated[int, Meta(ge=1, le=100_000)] = field(default=100, name="DOCQA_LIBRARY_QUEUE")
    ack_wait_s: Annotated[float, Meta(ge=0.5, le=3600)] = field(default=30.0, name="DOCQA_ACK_WAIT_S")
    result_ttl_s: Annotated[float, Meta(ge=60, le=31_536_000)] = field(default=604_800.0, name="DOCQA_RESULT_TTL_S")
    results_max_bytes: Annotated[int, Meta(ge=1_048_576)] = field(default=2**30, name="DOCQA_RESULTS_MAX_BYTES")
    dead_max_bytes: Annotated[int, Meta(ge=1_048_576)] = field(default=2**28, name="DOCQA_DEAD_MAX_BYTES")
    cache_ttl_s: CacheSeconds = field(default=3600.0, name="COPILOT_CACHE_TTL_S")
    cache_max_bytes: Annotated[int, Meta(ge=1_048_576)] = field(default=2**26, name="DOCQA_CACHE_MAX_BYTES")
    job_deadline_s: Seconds = field(default=300.0, name="DOCQA_JOB_DEADLINE_S")
    replicas: Annotated[int, Meta(ge=1, le=5)] = field(default=1, name="DOCQA_REPLICAS")
    data_dir: Path = field(default_factory=default_data_dir, name="DOCQA_DATA_DIR")
    nats_port: Annotated[int, Meta(ge=1, le=65_535)] | None = field(default=None, name="DOCQA_NATS_PORT")
    store_key: Secret | None = field(default=None, name="DOCQA_STORE_KEY")
    store_cipher: Literal["chachapoly", "aes"] = field(default="chachapoly", name="DOCQA_STORE_CIPHER")

    @property
    def queue_size(self) -> int:
        """The most jobs that wait and run together."""
        return self.max_queue_size or QUEUE_PER_SLOT * self.slots

    def __post_init__(self) -> None:
        if self.replicas % 2 == 0:
            raise ValueError("DOCQA_REPLICAS must be 1, 3 or 5: of an even number half is no majority")
        if self.store_key and not _STORE_KEY.fullmatch(self.store_key.reveal()):
            raise ValueError(
                "DOCQA_STORE_KEY must be 32 to 256 letters and digits (and - _ + / =): `openssl rand -hex 32` makes one"
            )
        if self.result_ttl_s < 2 * self.job_deadline_s:
            raise ValueError("DOCQA_RESULT_TTL_S must be at least twice DOCQA_JOB_DEADLINE_S")


KNOWN_NAMES = frozenset(
    {
        "COPILOT_API_KEY",
        "COPILOT_API_URL",
        "COPILOT_CACHE_ENABLED",
        "COPILOT_CACHE_SHARED",
        "COPILOT_CACHE_TTL_S",
        "COPILOT_TOKEN_BUDGET_DAILY",
        "DOCQA_ACK_WAIT_S",
        "DOCQA_AUDIT_LOG",
        "DOCQA_BACKEND",
        "DOCQA_BACKUP_DAILY",
        "DOCQA_BACKUP_DIR",
        "DOCQA_BACKUP_HOOK",
        "DOCQA_BACKUP_MONTHLY",
        "DOCQA_BACKUP_WEEKLY",
        "DOCQA_ABSTAIN",
        "DOCQA_CACHE_MAX_BYTES",
        "DOCQA_CLIENT_SHARE",
        "DOCQA_CONTEXT_TOKENS",
        "DOCQA_DATA_DIR",
        "DOCQA_DEAD_MAX_BYTES",
        "DOCQA_DOCUMENT_MAX_MB",
        "DOCQA_DRAIN_S",
        "DOCQA_ECHO_DELAY_S",
        "DOCQA_EMBEDDING_MODEL",
        "DOCQA_ENABLE_LOCAL_MODEL",
        "DOCQA_ENGINE",
        "DOCQA_ENV",
        "DOCQA_GPU_LAYERS",
        "DOCQA_HOST",
        "DOCQA_JOB_DEADLINE_S",
        "DOCQA_KEEP_ORIGINALS",
        "DOCQA_LIBRARY_MAX_MB",
        "DOCQA_LIBRARY_QUEUE",
        "DOCQA_LLAMA_COMPILING",
        "DOCQA_MAX_ATTEMPTS",
        "DOCQA_METRICS_ADDR",
        "DOCQA_MODEL_CACHE",
        "DOCQA_MODEL_CHECK",
        "DOCQA_MODEL_HUB",
        "DOCQA_MODEL_HUB_TOKEN",
        "DOCQA_MODEL_SNAPSHOTS",
        "DOCQA_NATS_CA",
        "DOCQA_NATS_CERT",
        "DOCQA_NATS_CREDENTIALS",
        "DOCQA_NATS_HOST",
        "DOCQA_NATS_KEY",
        "DOCQA_NATS_MONITOR",
        "DOCQA_NATS_PASSWORD",
        "DOCQA_NATS_PORT",
        "DOCQA_NATS_PUBLIC_URL",
        "DOCQA_NATS_URL",
        "DOCQA_OCR",
        "DOCQA_OPENAI_SOURCES",
        "DOCQA_PORT",
        "DOCQA_PREFIX_CACHE_MB",
        "DOCQA_PROXY_ALLOW_HTTP",
        "DOCQA_PROXY_CONTEXT_TOKENS",
        "DOCQA_PROXY_FIRST_BYTE_S",
        "DOCQA_PROXY_IDLE_S",
        "DOCQA_PROXY_MODEL",
        "DOCQA_RATE_LIMIT",
        "DOCQA_READ",
        "DOCQA_REPLICAS",
        "DOCQA_REDACT",
        "DOCQA_REDACTION_RULES",
        "DOCQA_RESULTS_MAX_BYTES",
        "DOCQA_RESULT_TTL_S",
        "DOCQA_ROOT",
        "DOCQA_SHARE_PREFIXES",
        "DOCQA_SLOTS",
        "DOCQA_STALL_S",
        "DOCQA_STORE_CIPHER",
        "DOCQA_STORE_KEY",
        "DOCQA_STYLE",
        "DOCQA_SUPPORT_MIN",
        "DOCQA_SYNC_WAIT_S",
        "DOCQA_THREADS",
        "DOCQA_TOKEN",
        "DOCQA_TOKENS",
        "DOCQA_TUNE",
        "DOCQA_UDS",
        "DOCQA_USER_HEADER",
        "DOCQA_VERSIONS_KEEP_DAYS",
        "MAX_QUEUE_SIZE",
        "MAX_REQUEST_SIZE_MB",
        "MODEL_NAME",
        "MODEL_PATH",
        "MODEL_QUANTIZATION",
    }
)
"""Every setting of every service; a test holds this to the Structs and to docs/settings.md."""

SECRET_NAMES = frozenset(
    {"COPILOT_API_KEY", "DOCQA_MODEL_HUB_TOKEN", "DOCQA_NATS_PASSWORD", "DOCQA_STORE_KEY", "DOCQA_TOKEN"}
)
"""Settings that may also come as a file: from $CREDENTIALS_DIRECTORY, or named by `<NAME>_FILE`."""

_LOCKS = frozenset({"DOCQA_TOKENS"})
"""Settings that protect: set but empty, they are refused, since "not set" would leave the system open."""
_SENT_IN_HEADERS = frozenset({"COPILOT_API_KEY", "DOCQA_MODEL_HUB_TOKEN", "DOCQA_TOKEN"})
_VISIBLE = re.compile(r"[!-~]+")
_FILE_NAMES = frozenset(f"{name}_FILE" for name in SECRET_NAMES)

S = TypeVar("S", bound=msgspec.Struct)


def load(kind: type[S], environment: Mapping[str, str]) -> S:
    """Fill `kind` from `environment`; raises SettingsError with one sentence that names the variable."""
    refuse_unknown(environment)
    values: dict[str, Any] = {}
    for info in msgspec.structs.fields(kind):
        name = info.encode_name
        text = read_secret(name, environment) if name in SECRET_NAMES else environment.get(name)
        if name in _LOCKS and text is not None:
            _named(name, text)
        if text:
            values[name] = text
    try:
        loaded = msgspec.convert(values, kind, strict=False, dec_hook=_decode_custom)
    except msgspec.ValidationError as error:
        raise SettingsError(_sentence(str(error))) from None
    if isinstance(loaded, BusSettings):
        # A service may connect in the background, so a wrong address is reported here.
        loaded.tls_context()
    if isinstance(loaded, RedactionSettings):
        # Invalid rules are reported at the start, before a model is loaded.
        loaded.redactor()
    return loaded


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for the first `DOCQA_*` name that no service knows."""
    known = KNOWN_NAMES | _FILE_NAMES
    for name in sorted(environment):
        if name.startswith("DOCQA_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them all."
            raise SettingsError(f"{name} is not a setting{hint}")


def read_secret(name: str, environment: Mapping[str, str]) -> str | None:
    """A secret's text: from $CREDENTIALS_DIRECTORY, else from the file that `<name>_FILE` names, else as given.

    Wherever it comes from, blanks, line ends and a byte order mark around it are removed. Raises SettingsError for a
    secret that is empty then, or can't be sent as it is.
    """
    if (folder := environment.get("CREDENTIALS_DIRECTORY")) and (Path(folder) / name).is_file():
        return _read(name, Path(folder) / name)
    if (path := environment.get(f"{name}_FILE")) is not None:
        return _read(f"{name}_FILE", Path(_named(f"{name}_FILE", path)))
    given = environment.get(name)
    return None if given is None else _cleaned(name, given, name)


def _named(name: str, path: str) -> str:
    if not path.strip():
        raise SettingsError(f"{name} is empty: name a file there, or leave it unset.")
    return path


def _cleaned(name: str, text: str, source: str) -> str:
    text = text.strip().removeprefix("\ufeff").strip()
    if not text:
        # Treated as "not set", an empty secret would disable the protection it is meant to give.
        raise SettingsError(f"{source} is empty: put the secret there, or leave {name} unset.")
    if name in _SENT_IN_HEADERS and not _VISIBLE.fullmatch(text):
        raise SettingsError(f"{source}: it must have visible ASCII characters only, without blanks inside.")
    if not text.isprintable():
        raise SettingsError(f"{source}: it has characters that can't be printed, such as a line end inside.")
    return text


def _read(name: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(f"{name}: can't read {path}: {reason}.") from None
    return _cleaned(name.removesuffix("_FILE"), text, f"{name}: {path}")


def _decode_custom(kind: type, value: Any) -> Any:
    if kind is not Path:
        return kind(value)
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("Expected a path without `~`, since there is no such home folder") from None


def _sentence(message: str) -> str:
    """Turn msgspec's "Expected `int` >= 1 - at `$.NAME`" into "NAME: expected `int` >= 1."."""
    what, _, place = message.partition(" - at `$.")
    return f"{place.rstrip('`')}: {what[0].lower()}{what[1:]}." if place else f"{message.removesuffix(' - at `$`')}."
