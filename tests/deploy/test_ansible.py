"""The playbook as files: ansible-lint finds nothing, and its switches and units are those of the script.

It is run on the booted machine (`test_boot.py`).
"""

import re

import msgspec
import pytest

from tests.deploy.support.checkers import check
from tests.deploy.support.places import DEPLOY, SYSTEMD

ANSIBLE = DEPLOY / "ansible"
ROLE = ANSIBLE / "roles" / "goblin_docqa"
SCRIPT = (SYSTEMD / "deploy_units.sh").read_text(encoding="utf-8")


def test_ansible_lint_finds_nothing() -> None:
    check("ansible-lint", "--offline", "--nocolor", "-c", ANSIBLE / ".ansible-lint", "deploy.yml", cwd=ANSIBLE)


def test_every_switch_of_the_script_can_be_set() -> None:
    switches = set(re.findall(r"^  ([A-Z_]+)=", SCRIPT.partition("cat <<'TEXT'")[2].partition("TEXT")[0], re.MULTILINE))
    units = (ROLE / "tasks" / "units.yml").read_text(encoding="utf-8")
    assert switches - {"UV"} == set(re.findall(r"'([A-Z_]+)':", units))


def test_the_role_knows_every_service() -> None:
    names = msgspec.yaml.decode((ROLE / "vars" / "main.yml").read_bytes())["goblin_docqa_services"]
    assert set(names.values()) == {path.name for path in SYSTEMD.glob("goblin-docqa*.service")} - {
        "goblin-docqa-backup.service",
        "goblin-docqa-models.service",
    }


@pytest.mark.parametrize("variable", sorted(msgspec.yaml.decode((ROLE / "defaults" / "main.yml").read_bytes())))
def test_every_variable_is_in_the_page(variable: str) -> None:
    assert f"`{variable}`" in (ANSIBLE / "README.md").read_text(encoding="utf-8")
