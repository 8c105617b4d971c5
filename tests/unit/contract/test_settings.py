"""Settings: which names there are, what a bad value says, where secrets come from."""

from pathlib import Path

import msgspec
import pytest

import inference_worker.settings
import ingress.settings
import library.settings
import ops.commands.usage
import ops.settings
from contract.errors import SettingsError
from contract.sanitize import sanitize
from contract.settings import (
    KNOWN_NAMES,
    SECRET_NAMES,
    BusSettings,
    QueueSettings,
    Secret,
    load,
    read_secret,
    refuse_unknown,
)
from inference_worker.settings import WorkerSettings
from ingress.settings import IngressSettings

KINDS: list[type[msgspec.Struct]] = [
    BusSettings,
    QueueSettings,
    inference_worker.settings.WorkerSettings,
    ingress.settings.IngressSettings,
    library.settings.LibrarySettings,
    ops.settings.BackupSettings,
    ops.settings.PullSettings,
    ops.settings.UpSettings,
    ops.settings.NatsSettings,
    ops.commands.usage.UsageSettings,
]

IBAN = "DE89 3704 0044 0532 0130 00"
CARD = "4111 1111 1111 1111"
SSN = "536-22-8726"


def sentence_of(kind: type[msgspec.Struct], **environment: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(kind, environment)
    return str(refused.value)


def test_every_known_name_is_some_services_setting_and_every_setting_is_known() -> None:
    fields = {info.encode_name for kind in KINDS for info in msgspec.structs.fields(kind)}
    assert fields == KNOWN_NAMES


def test_what_is_a_secret_is_one_in_every_service() -> None:
    infos = [info for kind in KINDS for info in msgspec.structs.fields(kind)]
    assert {info.encode_name for info in infos if "Secret" in str(info.type)} == SECRET_NAMES
    assert not [info for info in infos if info.encode_name in SECRET_NAMES and "Secret" not in str(info.type)]


def test_without_any_variable_every_service_has_its_defaults() -> None:
    for kind in KINDS:
        assert load(kind, {}) == kind()


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert load(IngressSettings, {"DOCQA_PORT": "", "DOCQA_RATE_LIMIT": ""}) == IngressSettings()


@pytest.mark.parametrize("value", ["", " ", "\n", "\ufeff"])
@pytest.mark.parametrize("name", [*sorted(SECRET_NAMES), "DOCQA_TOKEN_FILE", "DOCQA_TOKENS"])
def test_an_empty_secret_is_refused_since_it_would_open_the_door(name: str, value: str) -> None:
    if name in ("DOCQA_TOKEN_FILE", "DOCQA_TOKENS") and value == "\ufeff":
        value = ""
    kinds: dict[str, type[msgspec.Struct]] = {
        "COPILOT_API_KEY": WorkerSettings,
        "DOCQA_MODEL_HUB_TOKEN": ops.settings.PullSettings,
        "DOCQA_STORE_KEY": QueueSettings,
    }
    kind = kinds.get(name, IngressSettings)
    assert sentence_of(kind, **{name: value}).startswith(f"{name} is empty: ")


@pytest.mark.parametrize("around", [("", "\n"), ("", "\r\n"), (" \t", " "), ("\ufeff", ""), ("\ufeff", " \n\n")])
@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
def test_what_is_around_a_secret_is_removed_wherever_it_comes_from(
    tmp_path: Path, name: str, around: tuple[str, str]
) -> None:
    text = around[0] + "s3cret-" + "0" * 32 + around[1]
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    sources = ({name: text}, {f"{name}_FILE": str(tmp_path / name)}, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    for source in sources:
        assert read_secret(name, source) == "s3cret-" + "0" * 32


@pytest.mark.parametrize(
    "secret", ["s3cret\nsecond", "s3 cret", "s3cr\u00e9t", "s3cret\u200b", "s3cret\x00", "\udcffs3cret"]
)
@pytest.mark.parametrize("name", ["COPILOT_API_KEY", "DOCQA_TOKEN"])
def test_a_secret_that_no_header_can_carry_is_refused_at_the_start(name: str, secret: str) -> None:
    kind = WorkerSettings if name == "COPILOT_API_KEY" else IngressSettings
    assert sentence_of(kind, **{name: secret}).startswith(f"{name}: it must have visible ASCII characters only")


def test_a_password_of_the_bus_may_have_any_characters_that_can_be_printed() -> None:
    assert read_secret("DOCQA_NATS_PASSWORD", {"DOCQA_NATS_PASSWORD": "pass w\u00f6rd"}) == "pass w\u00f6rd"
    with pytest.raises(SettingsError, match=r"^DOCQA_NATS_PASSWORD: "):
        read_secret("DOCQA_NATS_PASSWORD", {"DOCQA_NATS_PASSWORD": "pass\nword"})


def test_values_are_read_from_the_environment() -> None:
    environment = {
        "DOCQA_ENV": "production",
        "DOCQA_PORT": "0",
        "DOCQA_SYNC_WAIT_S": "2.5",
        "DOCQA_UDS": "~/docqa.sock",
        "MAX_REQUEST_SIZE_MB": "2",
        "HOME": "/nobody",
    }
    settings = load(IngressSettings, environment)
    assert (settings.environment, settings.port, settings.sync_wait_s) == ("production", 0, 2.5)
    assert settings.uds == Path("~/docqa.sock").expanduser()
    assert settings.max_body_bytes == 2 * 2**20


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_a_switch_is_true_or_false(text: str, value: bool) -> None:
    assert load(WorkerSettings, {"DOCQA_ENABLE_LOCAL_MODEL": text}).enable_local_model is value


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("DOCQA_TOKN", "DOCQA_TOKEN"),
        ("DOCQA_SLOT", "DOCQA_SLOTS"),
        ("DOCQA_NATS_PASSWORDS_FILE", "DOCQA_NATS_PASSWORD_FILE"),
        ("DOCQA_MAX_QUEUE_SIZE", "MAX_QUEUE_SIZE"),
    ],
)
def test_an_unknown_name_stops_the_start_and_the_sentence_names_the_one_that_was_meant(name: str, close: str) -> None:
    for kind in KINDS:
        assert sentence_of(kind, **{name: "1"}) == f"{name} is not a setting; did you mean {close}?"


def test_an_unknown_name_like_no_other_points_to_the_list() -> None:
    assert sentence_of(BusSettings, DOCQA_QQQQQQQQQQQQQQQQQQ="1").endswith("docs/settings.md lists them all.")


def test_names_of_other_programs_are_let_be() -> None:
    refuse_unknown({"PATH": "/bin", "MAX_OTHER": "1", "docqa_slots": "1", "XDOCQA_SLOTS": "1"})


@pytest.mark.parametrize("name", sorted(KNOWN_NAMES) + [f"{name}_FILE" for name in sorted(SECRET_NAMES)])
def test_one_file_of_variables_serves_all_services(name: str) -> None:
    refuse_unknown({name: "1"})


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (IngressSettings, "DOCQA_PORT", "http"),
        (IngressSettings, "DOCQA_PORT", "65536"),
        (IngressSettings, "DOCQA_PORT", "-1"),
        (IngressSettings, "DOCQA_PORT", "1.5"),
        (IngressSettings, "DOCQA_ENV", "staging"),
        (IngressSettings, "DOCQA_SYNC_WAIT_S", "0"),
        (IngressSettings, "DOCQA_SYNC_WAIT_S", "nan"),
        (IngressSettings, "DOCQA_SYNC_WAIT_S", "inf"),
        (IngressSettings, "MAX_REQUEST_SIZE_MB", "33"),
        (IngressSettings, "DOCQA_UDS", "/" + "s" * 107),
        (IngressSettings, "DOCQA_UDS", "/" + "\u00e9" * 54),
        (QueueSettings, "MAX_QUEUE_SIZE", "0"),
        (QueueSettings, "DOCQA_ACK_WAIT_S", "soon"),
        (QueueSettings, "DOCQA_RESULT_TTL_S", "61"),
        (QueueSettings, "DOCQA_RESULTS_MAX_BYTES", "1"),
        (WorkerSettings, "DOCQA_SLOTS", "0"),
        (WorkerSettings, "DOCQA_ENGINE", "gpt"),
        (WorkerSettings, "DOCQA_ENABLE_LOCAL_MODEL", "maybe"),
        (WorkerSettings, "DOCQA_MAX_ATTEMPTS", "0"),
        (WorkerSettings, "DOCQA_DRAIN_S", "-1"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line_that_begins_with_its_name(
    kind: type[msgspec.Struct], name: str, value: str
) -> None:
    sentence = sentence_of(kind, **{name: value})
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "$" not in sentence


def test_a_result_lives_at_least_twice_the_longest_deadline() -> None:
    sentence = sentence_of(QueueSettings, DOCQA_JOB_DEADLINE_S="100", DOCQA_RESULT_TTL_S="199")
    assert sentence == "DOCQA_RESULT_TTL_S must be at least twice DOCQA_JOB_DEADLINE_S."
    assert load(QueueSettings, {"DOCQA_JOB_DEADLINE_S": "100", "DOCQA_RESULT_TTL_S": "200"}).result_ttl_s == 200


def test_the_echo_engine_does_not_run_in_production() -> None:
    environment = {"DOCQA_ENGINE": "echo", "DOCQA_ENV": "production"}
    assert sentence_of(WorkerSettings, **environment).startswith("DOCQA_ENGINE: the echo engine ")
    assert load(WorkerSettings, environment | {"DOCQA_ENV": "development"}).engine == "echo"


def test_a_secret_comes_from_systemds_folder_then_from_its_file_then_from_the_environment(tmp_path: Path) -> None:
    folder, file = tmp_path / "credentials", tmp_path / "token"
    folder.mkdir()
    file.write_text("from-the-file\n")
    environment = {
        "CREDENTIALS_DIRECTORY": str(folder),
        "DOCQA_TOKEN_FILE": str(file),
        "DOCQA_TOKEN": "from-the-environment",
    }
    assert read_secret("DOCQA_TOKEN", environment) == "from-the-file"
    (folder / "DOCQA_TOKEN").write_text("from-systemd\n")
    assert read_secret("DOCQA_TOKEN", environment) == "from-systemd"
    assert read_secret("DOCQA_TOKEN", {"DOCQA_TOKEN": "from-the-environment"}) == "from-the-environment"
    assert read_secret("DOCQA_TOKEN", {}) is None


def test_a_secret_from_a_file_reaches_its_setting(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("  s3cret\n")
    settings = load(BusSettings, {"DOCQA_NATS_PASSWORD_FILE": str(tmp_path / "password")})
    assert settings.nats_password
    assert settings.nats_password.reveal() == "s3cret"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b" \n"], ids=["missing", "binary", "empty", "blank"])
def test_a_secrets_file_that_holds_none_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    """Taken as "not set", an empty token file would let everybody in."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    sentence = sentence_of(IngressSettings, DOCQA_TOKEN_FILE=str(path))
    assert sentence.startswith("DOCQA_TOKEN_FILE: ")
    assert str(path) in sentence


def test_only_secrets_may_come_as_files() -> None:
    assert sentence_of(IngressSettings, DOCQA_PORT_FILE="/port").startswith("DOCQA_PORT_FILE is not a setting")


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("s3cret")
    settings = IngressSettings(token=secret, nats_password=secret)
    for shown in (repr(settings), str(settings), f"{secret}", f"{secret!r}", f"{[secret]}"):
        assert "s3cret" not in shown
    assert secret.reveal() == "s3cret"


def test_a_kind_that_can_not_be_asked_for_stops_the_start() -> None:
    sentence = sentence_of(IngressSettings, DOCQA_REDACT="email,passport")
    assert sentence.startswith("DOCQA_REDACT: `passport` can't be asked for; `email`, `iban`, `phone` can")


@pytest.mark.parametrize("kind", ["password", "jwt"])
def test_credentials_can_not_be_kept(kind: str) -> None:
    sentence = sentence_of(IngressSettings, DOCQA_REDACT=f"-{kind}")
    assert sentence.startswith(f"DOCQA_REDACT: `-{kind}` can't be kept; `-card`, `-iban`, `-ssn` can")


@pytest.mark.parametrize(
    ("redact", "left"),
    [
        (None, {IBAN}),
        ("iban", set()),
        ("-card", {IBAN, CARD}),
        ("-card,-ssn,iban", {CARD, SSN}),
        ("email", {IBAN}),
    ],
)
def test_kinds_are_added_or_kept_for_local_use_and_none_is_kept_outwards(redact: str | None, left: set[str]) -> None:
    settings = IngressSettings(redact=redact)
    text = f"Account {IBAN}, card {CARD}, SSN {SSN}."
    local, outward = (sanitize(text, redactor).text for redactor in (settings.redactor(), settings.outward_redactor()))
    assert {value for value in (IBAN, CARD, SSN) if value in local} == left
    assert not {value for value in (IBAN, CARD, SSN) if value in outward}


def test_a_rule_that_can_not_be_used_stops_the_start_with_its_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\nkind = 'a'\npattern = '('\n")
    assert f"{rules}, line 3: missing )" in sentence_of(IngressSettings, DOCQA_REDACTION_RULES=str(rules))


def test_a_user_without_a_home_folder_is_told_which_setting_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(SettingsError, match=r"^DOCQA_DATA_DIR: this user has no home folder"):
        load(QueueSettings, {})
    assert load(QueueSettings, {"DOCQA_DATA_DIR": "/data"}).data_dir == Path("/data")


def test_a_path_in_a_home_folder_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"^DOCQA_DATA_DIR: expected a path without `~`"):
        load(QueueSettings, {"DOCQA_DATA_DIR": "~nobody-by-this-name/data"})
