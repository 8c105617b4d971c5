"""Makes `contract/evidence/background.txt`: how rare each English word is, counted in prose that is on every machine.

`python -m bench.answers.background`. The prose: the docstrings and the language reference that come with CPython
(PSF licence), Perl's manual pages (Artistic licence or GPL) and the descriptions of installed Debian packages (each
under its package's licence). Only counts are kept, and no word that fewer than MIN_PARAGRAPHS of them hold.
"""

import ast
import math
import pydoc_data.topics
import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contract.evidence.words import terms_of
from contract.runtime.files import write_atomically

TARGET: Final = Path(__file__).parents[2] / "contract" / "evidence" / "background.txt"
MIN_PARAGRAPHS: Final = 6
TERMS: Final = 6_000
_SHORTEST: Final = 40
_PERL: Final = Path("/usr/share/perl")
_DEBIAN: Final = Path("/var/lib/dpkg/status")
_WORD: Final = re.compile(r"[a-z]{2,}")


def table(paragraphs: Iterator[str]) -> dict[int, list[str]]:
    """The terms of each rarity (0 to 99): the logarithm of the inverse share of paragraphs that hold them."""
    counts: Counter[str] = Counter()
    total = 0
    for paragraph in paragraphs:
        total += 1
        counts.update({term for term in terms_of(paragraph) if _WORD.fullmatch(term)})
    found: dict[int, list[str]] = defaultdict(list)
    for term, count in counts.most_common(TERMS):
        if count >= MIN_PARAGRAPHS:
            found[min(99, round(100 * math.log(total / count) / math.log(total)))].append(term)
    return dict(sorted(found.items()))


def prose() -> Iterator[str]:
    """All paragraphs, each once."""
    seen: set[str] = set()
    for text in (*pydoc_data.topics.topics.values(), *_docstrings(), *_perl(), *_debian()):
        for paragraph in text.split("\n\n"):
            if len(paragraph) >= _SHORTEST and paragraph not in seen:
                seen.add(paragraph)
                yield paragraph


def _docstrings() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield text


def _perl() -> Iterator[str]:
    for path in sorted(_PERL.rglob("*.p[om]*")):
        text = path.read_text(encoding="utf-8", errors="ignore") if path.is_file() else ""
        for pod in re.findall(r"^=(?:head|pod|over|item)(.*?)(?:^=cut|\Z)", text, re.MULTILINE | re.DOTALL):
            yield "\n\n".join(block for block in pod.split("\n\n") if block[:1].isalpha())


def _debian() -> Iterator[str]:
    if _DEBIAN.exists():
        for found in re.findall(r"^Description: (.*\n(?: .*\n)*)", _DEBIAN.read_text(encoding="utf-8"), re.MULTILINE):
            yield found.replace("\n .\n", "\n\n")


def main() -> None:
    found = table(prose())
    head = ["# How rare English words are, from 0 to 99; made by bench/answers/background.py, which names the sources."]
    lines = [f"{rarity} {' '.join(sorted(terms))}" for rarity, terms in found.items()]
    write_atomically(TARGET, "\n".join([*head, *lines]).encode() + b"\n")


if __name__ == "__main__":
    main()
