#!/usr/bin/env python3
"""In the place of `aws ecs`: keeps services and task definitions in a file, for the scripts of the target `ecs`.

Knows the calls that they make, and no others: anything else ends with 2.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

STATE = Path(os.environ["AWS_STATE"])


def main() -> int:
    action, words = sys.argv[2], sys.argv[3:]
    if action == "wait":
        words = words[1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    state = json.loads(STATE.read_text(encoding="utf-8"))
    answer = CALLS[action](state, options) if action in CALLS else sys.exit(2)
    STATE.write_text(json.dumps(state), encoding="utf-8")
    if answer is not None:
        print(answer if isinstance(answer, str) else json.dumps(answer))  # noqa: T201
    return 0


def describe_services(state: Any, options: dict[str, str]) -> str:
    service = state["services"][options["--services"]]
    return str(service[options["--query"].removeprefix("services[0].")])


def describe_task_definition(state: Any, options: dict[str, str]) -> Any:
    return state["definitions"][options["--task-definition"]]


def register(state: Any, options: dict[str, str]) -> str:
    made = json.loads(Path(options["--cli-input-json"].removeprefix("file://")).read_text(encoding="utf-8"))
    name = f"{made['family']}:{len(state['definitions']) + 1}"
    # Fields that AWS adds and does not accept from clients.
    state["definitions"][name] = {**made, "revision": 1, "status": "ACTIVE"}
    return name


def update_service(state: Any, options: dict[str, str]) -> Any:
    service = state["services"][options["--service"]]
    service["taskDefinition"] = options.get("--task-definition", service["taskDefinition"])
    service["runningCount"] = int(options.get("--desired-count", service["runningCount"]))
    service["log"].append([service["taskDefinition"], service["runningCount"]])
    return {"service": service}


def tag(state: Any, options: dict[str, str]) -> None:
    key, value = (part.partition("=")[2] for part in options["--tags"].split(","))
    state["tags"][options["--resource-arn"]] = {key: value}


def tags(state: Any, options: dict[str, str]) -> str:
    return str(state["tags"].get(options["--resource-arn"], {}).get("previous", ""))


CALLS: Final[dict[str, Callable[[Any, dict[str, str]], Any]]] = {
    "describe-services": describe_services,
    "describe-task-definition": describe_task_definition,
    "register-task-definition": register,
    "update-service": update_service,
    "tag-resource": tag,
    "list-tags-for-resource": tags,
    "wait": lambda state, options: None,
}

if __name__ == "__main__":
    sys.exit(main())
