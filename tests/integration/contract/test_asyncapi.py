"""docs/asyncapi.json against AsyncAPI's own parser, from npm."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.generate import FOLDER

PARSER = "@asyncapi/parser@3.6.3"
INSTALL_WITHIN_S = 240
CHECK = """
import {Parser} from '@asyncapi/parser';
import {readFileSync} from 'node:fs';
const {diagnostics} = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
console.log(JSON.stringify(diagnostics));
"""
HINT = 2
"""Severities below are errors (0) and warnings (1)."""


@pytest.fixture(scope="session")
def parser(request: pytest.FixtureRequest) -> Path:
    """A script that checks a document. The parser (55 MB) is kept in pytest's cache for the next time."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no node and npm to check docs/asyncapi.json with")
    folder = request.config.cache.mkdir("asyncapi-parser")
    script = folder / f"{PARSER.replace('/', '-')}.mjs"
    if not script.exists():
        install = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", PARSER]
        try:
            subprocess.run(install, cwd=folder, capture_output=True, timeout=INSTALL_WITHIN_S, check=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm can't install {PARSER} here: {str(error.stderr)[-200:]}")
        script.write_text(CHECK, encoding="utf-8")
    return script


@pytest.mark.slow
def test_the_document_is_valid_by_asyncapis_own_parser(parser: Path) -> None:
    """Slow the first time: npm installs for 20 s."""
    assert complaints(parser, FOLDER / "asyncapi.json") == []


@pytest.mark.slow
def test_the_parser_would_tell_a_mistake(parser: Path, tmp_path: Path) -> None:
    document = json.loads((FOLDER / "asyncapi.json").read_bytes())
    document["operations"]["takeJob"]["action"] = "take"
    (tmp_path / "wrong.json").write_text(json.dumps(document))
    assert complaints(parser, tmp_path / "wrong.json")


def complaints(parser: Path, document: Path) -> list[str]:
    """Errors and warnings; not the hint that a newer version of AsyncAPI exists."""
    done = subprocess.run(
        ["node", str(parser), str(document)], capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=True
    )
    return [found["message"] for found in json.loads(done.stdout) if found["severity"] < HINT]
