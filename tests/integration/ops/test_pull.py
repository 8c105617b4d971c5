"""`docqa models pull` against a hub of the tests' own: no real one can be reached here."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from ops.__main__ import cli
from ops.models import download
from tests.support.model_hub import REPOSITORY, Hub, serving

MODEL = b"GGUF" + bytes(range(256)) * 20_000


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        hub.files["tiny-Q4_K_M.gguf"] = MODEL
        hub.files["tiny-Q8_0.gguf"] = MODEL + b"8"
        monkeypatch.setenv("DOCQA_MODEL_HUB", hub.url)
        monkeypatch.setattr(download.fetch, "__defaults__", (0.001,))
        yield hub


def pull(what: str, folder: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["models", "pull", what, "--to", str(folder), *options])


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.gguf"))


class Refused(NamedTuple):
    sentence: str
    left: list[str]


def refused(what: str, folder: Path, *options: str) -> Refused:
    result = pull(what, folder, *options)
    assert result.exit_code != 0
    return Refused(str(result.exception or result.output), there(folder))


def test_a_file_is_named_by_a_part_of_its_name_and_compared_with_the_hubs_hash(hub: Hub, tmp_path: Path) -> None:
    result = pull(f"{REPOSITORY}:q4_k_m", tmp_path, "--json")
    (found,) = json.loads(result.stdout)["files"]
    assert (tmp_path / "tiny-Q4_K_M.gguf").read_bytes() == MODEL
    assert (found["sha256"], found["is_checked"]) == (hashlib.sha256(MODEL).hexdigest(), True)
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_it_says_how_the_model_is_used(hub: Hub, tmp_path: Path) -> None:
    assert f"MODEL_PATH={tmp_path} MODEL_NAME=tiny-Q8_0.gguf" in pull(f"{REPOSITORY}:Q8_0", tmp_path).output


def test_of_several_files_one_must_be_named(hub: Hub, tmp_path: Path) -> None:
    for what in (REPOSITORY, f"{REPOSITORY}:tiny", f"{REPOSITORY}:Q5"):
        assert "tiny-Q4_K_M.gguf, tiny-Q8_0.gguf" in refused(what, tmp_path).sentence


def test_a_model_in_parts_comes_whole(hub: Hub, tmp_path: Path) -> None:
    hub.files = {f"big/big-0000{number}-of-00002.gguf": MODEL + bytes([number]) for number in (1, 2)}
    assert pull(REPOSITORY, tmp_path).exit_code == 0
    assert there(tmp_path) == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]


def test_what_broke_off_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_off_after = [2_000_000, 1_500_000]
    assert pull(f"{REPOSITORY}:Q4", tmp_path).exit_code == 0
    assert (tmp_path / "tiny-Q4_K_M.gguf").read_bytes() == MODEL
    assert len(hub.ranges) == 2


def test_a_hub_that_sends_nothing_ends_with_a_sentence_and_another_command_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_off_after = [1_000_000, *[0] * 20]
    assert refused(f"{REPOSITORY}:Q4", tmp_path).left == []
    hub.breaks_off_after = []
    hub.ranges = []
    assert pull(f"{REPOSITORY}:Q4", tmp_path).exit_code == 0
    assert len(hub.ranges) == 1
    assert there(tmp_path) == ["tiny-Q4_K_M.gguf"]


def test_another_file_of_the_same_name_is_not_joined_with_what_came_of_the_first(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_off_after = [1_000_000, *[0] * 20]
    refused(f"{REPOSITORY}:Q4", tmp_path)
    hub.breaks_off_after = []
    hub.files["tiny-Q4_K_M.gguf"] = newer = MODEL[::-1].replace(MODEL[:1], b"g")
    hub.files["tiny-Q4_K_M.gguf"] = newer = b"GGUF" + newer
    assert pull(f"{REPOSITORY}:Q4", tmp_path).exit_code == 0
    assert (tmp_path / "tiny-Q4_K_M.gguf").read_bytes() == newer


def test_a_file_with_another_hash_than_was_said_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.wrong_hash = True
    found = refused(f"{REPOSITORY}:Q4", tmp_path)
    assert "SHA-256" in found.sentence
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_without_room_nothing_is_begun(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = refused(f"{REPOSITORY}:Q4", tmp_path)
    assert "MiB free" in found.sentence
    assert list(tmp_path.glob("*part*")) == []


def test_a_private_model_needs_a_token_which_nobody_but_the_hub_sees(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hub-token-of-the-tests"
    assert "DOCQA_MODEL_HUB_TOKEN" in refused(f"{REPOSITORY}:Q4", tmp_path).sentence
    monkeypatch.setenv("DOCQA_MODEL_HUB_TOKEN", hub.token)
    assert pull(f"{REPOSITORY}:Q4", tmp_path).exit_code == 0
    assert hub.shown_to_store == [None]


def test_a_plain_url_is_checked_by_what_its_server_or_the_option_says(hub: Hub, tmp_path: Path) -> None:
    url = f"{hub.store_url}/tiny-Q4_K_M.gguf"
    assert "its source names no SHA-256" in pull(url, tmp_path / "one").output
    digest = hashlib.sha256(MODEL).hexdigest()
    assert "matches its SHA-256" in pull(url, tmp_path / "two", "--sha256", digest).output
    assert "SHA-256" in refused(url, tmp_path / "three", "--sha256", "1" * 64).sentence
    assert "matches its SHA-256" in pull(f"{hub.url}/{REPOSITORY}/resolve/main/tiny-Q8_0.gguf", tmp_path).output


def test_what_is_there_already_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    pull(f"{REPOSITORY}:Q4", tmp_path)
    fetched = len(hub.shown_to_store)
    assert "was there" in pull(f"{REPOSITORY}:Q4", tmp_path).output
    assert len(hub.shown_to_store) == fetched


def test_a_page_is_no_model(hub: Hub, tmp_path: Path) -> None:
    hub.files["tiny-Q4_K_M.gguf"] = b"<html>Please log in</html>"
    assert "not a GGUF file" in refused(f"{REPOSITORY}:Q4", tmp_path).sentence


@pytest.mark.parametrize("what", ["model", "../../etc/passwd", "ftp://host/a.gguf", "http://host/a.bin", "a/b/c"])
def test_what_names_no_model_is_refused(what: str, hub: Hub, tmp_path: Path) -> None:
    assert refused(what, tmp_path).left == []
