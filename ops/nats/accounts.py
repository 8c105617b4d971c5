"""Who is who on the embedded bus: the account that holds the streams, and the guests that reach into it.

A guest is an account of its own: the ingress, and each direct publisher. It imports the subjects that it may use
and nothing else. Permissions alone would not do: a user who may only publish jobs can still name any subject as the
reply of its message, and the server, who may do everything, writes its word there: a forged job, an overwritten
result, a purge. In an account of its own that word ends in the guest's own account.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from contract import topology

_JOBS: Final = topology.JOBS_STREAM
_DURABLE: Final = topology.WORKER_DURABLE
_RESULTS: Final = topology.RESULTS_BUCKET
_STARTS: Final = topology.STARTS_BUCKET
_IMPORTS: Final = topology.IMPORTS_STREAM
_LIBRARY_DURABLE: Final = topology.LIBRARY_DURABLE
_KEPT: Final = (topology.CACHE_BUCKET, topology.BUDGET_BUCKET, topology.USAGE_BUCKET)
"""What workers keep beside results and starts."""
_HTTP: Final = topology.HTTP_PUBLISHER

SYSTEM: Final = "SYS"
"""The server's own traffic: nobody has a user there."""

_API: Final = "$JS.API."
_DIRECT_API: Final = "$JS.API.DIRECT."
_LOCAL_API: Final = "docqa.api."
"""What a guest's calls of JetStream's API are mapped to on their way: each account answers `$JS.API` itself."""

_CANCEL: Final = topology.CANCEL_SUBJECTS.removesuffix(">")
_CANCELS_FORGOTTEN_AFTER: Final = "1s"
"""Nobody answers a cancel: the server would keep the reply subject of each for ever, 800 bytes a time."""

_PUBLISHERS_OPERATIONS: Final[tuple[topology.LibraryOperation, ...]] = ("search", "status", "list", "text", "delete")
"""What a direct publisher may ask of the library. Files come in over HTTP or by `docqa documents`."""
_INGRESS_OPERATIONS: Final[tuple[topology.LibraryOperation, ...]] = (*_PUBLISHERS_OPERATIONS, "original", "put")

_PUBLISHERS_LIMITS: Final = MappingProxyType({"max_connections": 64, "max_subscriptions": 1024})
"""So that one publisher's mistake does not use up what the server has for all."""

_WORKER: Final = {
    "publish": [
        topology.RESULTS_SUBJECTS,
        topology.TOKENS_SUBJECTS,
        topology.DEAD_SUBJECTS,
        topology.WORKER_SUBJECTS,
        f"$KV.{_RESULTS}.>",
        f"$KV.{_STARTS}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{_JOBS}.{_DURABLE}",
        f"$JS.API.CONSUMER.INFO.{_JOBS}.{_DURABLE}",
        f"$JS.ACK.{_JOBS}.{_DURABLE}.>",
        f"$JS.ACK.*.*.{_JOBS}.{_DURABLE}.>",
        f"$JS.API.STREAM.INFO.{_JOBS}",
        f"$JS.API.STREAM.INFO.KV_{_RESULTS}",
        f"$JS.API.STREAM.INFO.KV_{_STARTS}",
        f"$JS.API.DIRECT.GET.KV_{_RESULTS}.>",
        f"$JS.API.DIRECT.GET.KV_{_STARTS}.>",
        f"$JS.API.DIRECT.GET.KV_{topology.META_BUCKET}.>",
        f"$JS.API.STREAM.MSG.DELETE.KV_{_STARTS}",
        *(f"docqa.library.{operation}.>" for operation in ("read", "search", "status")),
        "_INBOX_library.erased.>",
        *(f"$KV.{bucket}.>" for bucket in _KEPT),
        *(f"$JS.API.DIRECT.GET.KV_{bucket}.>" for bucket in _KEPT),
    ],
    "subscribe": ["_INBOX_worker.>", topology.CANCEL_SUBJECTS, topology.ROLL_CALL_SUBJECT, topology.ERASED_SUBJECTS],
}

_LIBRARY: Final = {
    "publish": [
        topology.ERASED_SUBJECTS,
        f"$JS.API.CONSUMER.MSG.NEXT.{_IMPORTS}.{_LIBRARY_DURABLE}",
        f"$JS.API.CONSUMER.INFO.{_IMPORTS}.{_LIBRARY_DURABLE}",
        f"$JS.ACK.{_IMPORTS}.{_LIBRARY_DURABLE}.>",
        f"$JS.ACK.*.*.{_IMPORTS}.{_LIBRARY_DURABLE}.>",
        f"$JS.API.STREAM.INFO.{_IMPORTS}",
        f"$JS.API.DIRECT.GET.{_IMPORTS}.>",
        f"$JS.API.DIRECT.GET.KV_{topology.META_BUCKET}.>",
    ],
    "subscribe": ["_INBOX_library.>", topology.LIBRARY_SUBJECTS],
    # Who asks names the subject of the reply: the library may publish there once, and soon.
    "allow_responses": {"max": 1, "expires": "30s"},
}


class Guest(NamedTuple):
    """An account that may publish to some subjects of the streams' account (services) and hear others (streams)."""

    account: str
    user: str
    password: str
    services: Sequence[str]
    streams: Sequence[str]
    inbox: str = ""
    """Named, the user is told when it tries more; else there is simply nobody at any other subject."""
    limits: Mapping[str, int] = MappingProxyType({})

    def exports(self) -> list[dict[str, Any]]:
        """What the streams' account opens to this guest and to nobody else."""
        opened = [_service(subject) for subject in self.services] + [{"stream": subject} for subject in self.streams]
        return [{**export, "accounts": [self.account]} for export in opened]

    def render(self) -> dict[str, Any]:
        """The account itself, as nats-server reads it."""
        services = [{"service": _of_docqa(subject), "to": _local(subject)} for subject in self.services]
        streams = [{"stream": _of_docqa(subject)} for subject in self.streams]
        return {
            "users": [self._user()],
            "imports": services + streams,
            "mappings": {subject: _local(subject) for subject in self.services if _local(subject) != subject},
            "limits": dict(self.limits),
        }

    def _user(self) -> dict[str, Any]:
        user: dict[str, Any] = {"user": self.user, "password": self.password}
        if self.inbox:
            # The server looks at a subject after it has mapped it.
            publish = [_local(subject) for subject in self.services]
            user["permissions"] = {"publish": publish, "subscribe": [self.inbox, *self.streams]}
        return user


def render(passwords: Mapping[str, str], publishers: Mapping[str, str]) -> dict[str, Any]:
    """All accounts, from the roles' passwords and the direct publishers'."""
    guests = [_ingress(passwords["ingress"]), *(publisher(name, word) for name, word in sorted(publishers.items()))]
    hosts = {
        "jetstream": "enabled",
        "users": [
            _user("admin", passwords, {"publish": [">"], "subscribe": [">"]}),
            _user("worker", passwords, _WORKER),
            _user("library", passwords, _LIBRARY),
        ],
        "exports": [export for guest in guests for export in guest.exports()],
    }
    return {SYSTEM: {}, topology.ACCOUNT: hosts, **{guest.account: guest.render() for guest in guests}}


def publisher(name: str, password: str) -> Guest:
    """A direct publisher: her own jobs, results, tokens and cancels."""
    return Guest(
        account=publisher_user(name),
        user=publisher_user(name),
        password=password,
        services=[
            topology.jobs_subjects(name),
            topology.cancel_subjects(name),
            f"$JS.API.DIRECT.GET.KV_{_RESULTS}.$KV.{_RESULTS}.{name}.>",
            *(topology.library_of(operation, name) for operation in _PUBLISHERS_OPERATIONS),
        ],
        streams=[topology.results_subjects(name), topology.tokens_subjects(name)],
        limits=_PUBLISHERS_LIMITS,
    )


def publisher_user(name: str) -> str:
    """No publisher's user can have the name of a role."""
    return f"publisher-{name}"


def _ingress(password: str) -> Guest:
    return Guest(
        account="INGRESS",
        user="ingress",
        password=password,
        services=[
            topology.jobs_subjects(_HTTP),
            topology.cancel_subjects(_HTTP),
            topology.ROLL_CALL_SUBJECT,
            # A cancel, a hang-up and a deadline are failures that the ingress itself stores.
            f"$KV.{_RESULTS}.{_HTTP}.>",
            # An erased result is emptied in the cache too, which it can't read.
            f"$KV.{topology.CACHE_BUCKET}.{_HTTP}.>",
            f"$KV.{topology.CACHE_BUCKET}.{topology.EVERYBODY}.*",
            f"$JS.API.STREAM.INFO.{_JOBS}",
            f"$JS.API.CONSUMER.INFO.{_JOBS}.{_DURABLE}",
            f"$JS.API.DIRECT.GET.{_JOBS}.{topology.jobs_subjects(_HTTP)}",
            f"$JS.API.DIRECT.GET.KV_{_RESULTS}.$KV.{_RESULTS}.{_HTTP}.>",
            topology.imports_of(_HTTP),
            f"$JS.API.STREAM.INFO.{_IMPORTS}",
            f"$JS.API.DIRECT.GET.{_IMPORTS}.{topology.imports_of(_HTTP)}",
            *(topology.library_of(operation, _HTTP) for operation in _INGRESS_OPERATIONS),
        ],
        streams=[topology.results_subjects(_HTTP), topology.tokens_subjects(_HTTP), topology.WORKER_SUBJECTS],
        inbox="_INBOX_ingress.>",
    )


def _user(role: str, passwords: Mapping[str, str], rights: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": role, "password": passwords[role], "permissions": rights}


def _service(subject: str) -> dict[str, Any]:
    forgotten = {"threshold": _CANCELS_FORGOTTEN_AFTER} if subject.startswith(_CANCEL) else {}
    return {"service": subject, **forgotten}


def _of_docqa(subject: str) -> dict[str, str]:
    return {"account": topology.ACCOUNT, "subject": subject}


def _local(subject: str) -> str:
    """What the subject is called in a guest's account: its own name, but for calls that JetStream's API answers."""
    if subject.startswith(_API) and not subject.startswith(_DIRECT_API):
        return _LOCAL_API + subject.removeprefix(_API)
    return subject
