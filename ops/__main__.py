"""The `docqa` command. Knows the commands' names and how errors are told; loads only the command that is used."""

import difflib
import importlib
import sys
from typing import Final

import click

from contract.errors import DocQAError
from ops.errors import TryLaterError

_GROUPS: Final = {
    "Run": {
        "up": "Run everything in the foreground: bus, worker, ingress.",
        "nats": "Run the bus alone.",
        "ingress": "Run the ingress alone.",
        "worker": "Run the worker alone.",
    },
    "Ask and look": {
        "ask": "Ask a question about a document.",
        "status": "Show how the system is.",
        "watch": "Show how the system is, live.",
        "usage": "Show who was answered by what, and what the proxy costs.",
    },
    "Set up": {
        "cluster": "Print the configuration of a cluster of nats-servers.",
        "models": "Say how models are run on this machine, and measure it.",
        "tokens": "Make, list and revoke bearer tokens.",
        "publishers": "Say who may publish jobs directly over NATS.",
    },
    "Keep and repair": {
        "backup": "Keep copies of all that the bus holds, and bring them back.",
        "dead": "Look at jobs that could not be answered, and try them again.",
    },
    "Release": {
        "preflight": "Look over settings and machine before a start.",
        "smoke": "See whether a running system does its work.",
        "canary": "Watch a new release beside the old one, and decide.",
        "bench": "Measure the system from outside.",
    },
}
_COMMANDS: Final = {name: words for group in _GROUPS.values() for name, words in group.items()}
_SERVICES: Final = ("ingress", "worker")
_INTERRUPTED: Final = 130
_TRY_LATER: Final = 75


def load_command(name: str) -> click.Command:
    """The command of that name, imported now; the services share one file."""
    if name in _SERVICES:
        service: click.Command = getattr(importlib.import_module("ops.commands.services"), name)
        return service
    command: click.Command = importlib.import_module(f"ops.commands.{name}").command
    return command


class _LazyGroup(click.Group):
    """A group whose commands are modules, imported when they are used: `docqa --help` imports none."""

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
                formatter.write_dl([(name.ljust(widest), words) for name, words in commands.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="goblin-docqa", prog_name="docqa")
def cli() -> None:
    """Answers questions about documents with a local language model, on one machine."""


def main() -> None:
    """Run a command; every error is one sentence on stderr and a non-zero exit."""
    try:
        status = cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = _INTERRUPTED
    except DocQAError as error:
        click.echo(f"docqa: {error}", err=True)
        status = _TRY_LATER if isinstance(error, TryLaterError) else 1
    except OSError as error:
        click.echo(f"docqa: {error.filename or 'the system'}: {error.strerror or error}.", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
