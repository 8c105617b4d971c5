"""The `docqa` command: the list of commands and how errors are printed. Imports only the command that is used."""

import difflib
import importlib
import io
import sys
from typing import Final

import click

from contract.errors import DocQAError
from contract.runtime.terminal import echo, print_exactly
from ops.errors import TryLaterError

_GROUPS: Final = {
    "Run": {
        "up": "Run everything in the foreground: message bus, worker, library, ingress.",
        "nats": "Run only the message bus.",
        "ingress": "Run only the ingress.",
        "worker": "Run only a worker.",
        "library": "Run only the library.",
    },
    "Use": {
        "ask": "Ask a question about a document.",
        "batch": "Ask many questions, each once whatever is killed.",
        "documents": "Bring documents in, list, read, search and remove them.",
        "status": "Show system status.",
        "watch": "Show system status, live.",
        "usage": "Show usage per client and backend, and proxy cost.",
    },
    "Set up": {
        "cluster": "Print the configuration of a cluster of nats-servers.",
        "models": "Fetch, list, tune, snapshot and verify models.",
        "spaces": "Create shared spaces, grant and revoke access to them.",
        "tokens": "Create, list and revoke bearer tokens.",
        "publishers": "Add, list and remove direct NATS publishers.",
    },
    "Maintain": {
        "backup": "Back up and restore all stored data.",
        "dead": "List failed jobs and try them again.",
    },
    "Release": {
        "preflight": "Check settings and machine before a start.",
        "smoke": "Test a running system with a few questions.",
        "canary": "Compare a new release with the running one, and decide.",
        "bench": "Run benchmarks.",
    },
}
_COMMANDS: Final = {name: summary for group in _GROUPS.values() for name, summary in group.items()}
_SERVICES: Final = ("ingress", "worker", "library")
_INTERRUPTED: Final = 130
_TRY_LATER: Final = 75


def load_command(name: str) -> click.Command:
    """Import and return a command; the services share one module."""
    if name in _SERVICES:
        service: click.Command = getattr(importlib.import_module("ops.commands.services"), name)
        return service
    command: click.Command = importlib.import_module(f"ops.commands.{name}").command
    return command


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are used: `docqa --help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return load_command(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and (close := difflib.get_close_matches(args[0], _COMMANDS, n=1)):
            ctx.fail(f"There is no command {args[0]}: did you mean {close[0]}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, _COMMANDS))
        for title, commands in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), summary) for name, summary in commands.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="goblin-docqa", prog_name="docqa")
def cli() -> None:
    """Answers questions about documents with a local language model, on one machine."""


def main() -> None:
    """Run a command; every error is one sentence on stderr and a non-zero exit."""
    print_exactly()
    try:
        status = cli(standalone_mode=False)
    except click.ClickException as error:
        # Usage errors repeat arguments, which may contain anything.
        usage = io.StringIO()
        error.show(usage)
        echo(usage.getvalue(), err=True, nl=False)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = _INTERRUPTED
    except DocQAError as error:
        echo(f"docqa: {error}", err=True)
        status = _TRY_LATER if isinstance(error, TryLaterError) else 1
    except UnicodeEncodeError as error:
        echo(f"docqa: an argument or a file holds bytes that are not UTF-8 ({error.object[:40]!r}).", err=True)
        status = 1
    except OSError as error:
        echo(f"docqa: {error.filename or 'the system'}: {error.strerror or error}.", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
