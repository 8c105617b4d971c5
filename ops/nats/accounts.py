"""NATS accounts: the host account, which holds the streams, and the accounts that import some of its subjects.

The ingress and each direct publisher have an importing account of their own. Permissions alone would not be enough: a
user who may only publish jobs can still name any subject as the reply subject of a message, and the server, which may
publish everywhere, would send its reply there: a forged job, an overwritten result, a purge. The reply to an importing
account stays in that account.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from contract import topology
from contract.bus import api, restore_mark

_JOBS: Final = topology.JOBS_STREAM
_DURABLE: Final = topology.WORKER_DURABLE
_RESULTS: Final = topology.RESULTS_BUCKET
_STARTS: Final = topology.STARTS_BUCKET
_IMPORTS: Final = topology.IMPORTS_STREAM
_LIBRARY_DURABLE: Final = topology.LIBRARY_DURABLE
_KEPT: Final = (topology.CACHE_BUCKET, topology.BUDGET_BUCKET, topology.USAGE_BUCKET)
"""What workers store besides results and starts."""
_HTTP: Final = topology.HTTP_PUBLISHER

SYSTEM: Final = "SYS"
"""The account of the server's own traffic: it has no users."""

_LOCAL_API: Final = "docqa.api."
"""Prefix that an importing account's JetStream API calls are mapped to: each account answers `$JS.API` itself."""

_CANCEL: Final = topology.CANCEL_SUBJECTS.removesuffix(">")
_READ: Final = topology.READ_SUBJECTS.removesuffix("*.*.*")
_FORGOTTEN_AFTER: Final = "1s"
"""No one replies to a cancel, and no one waits for the reply to a read: without this the server would keep each reply
subject for ever, 800 bytes a time."""

_PUBLISHERS_OPERATIONS: Final[tuple[topology.LibraryOperation, ...]] = (
    "search",
    "status",
    "list",
    "spaces",
    "text",
    "delete",
)
"""What a direct publisher may ask of the library. Files come in over HTTP or by `docqa documents`."""
_INGRESS_OPERATIONS: Final[tuple[topology.LibraryOperation, ...]] = (
    *_PUBLISHERS_OPERATIONS,
    "original",
    "put",
    "scan",
)

_PUBLISHERS_LIMITS: Final = MappingProxyType({"max_connections": 64, "max_subscriptions": 1024})
"""Limits that keep a faulty publisher from using up the server's connections."""

_WORKER: Final = {
    "publish": [
        topology.RESULTS_SUBJECTS,
        topology.TOKENS_SUBJECTS,
        topology.DEAD_SUBJECTS,
        topology.WORKER_SUBJECTS,
        api.bucket_key(_RESULTS, ">"),
        api.bucket_key(_STARTS, ">"),
        api.next_message(_JOBS, _DURABLE),
        api.consumer_info(_JOBS, _DURABLE),
        *api.acks(_JOBS, _DURABLE),
        api.stream_info(_JOBS),
        # Jobs that ended while they waited: found, and taken off the stream.
        api.direct_get(_JOBS),
        api.direct_get(_JOBS, ">"),
        api.message_delete(_JOBS),
        api.stream_info(api.bucket_stream(_RESULTS)),
        api.stream_info(api.bucket_stream(_STARTS)),
        api.direct_get(api.bucket_stream(_RESULTS), ">"),
        api.direct_get(api.bucket_stream(_STARTS), ">"),
        api.direct_get(api.bucket_stream(topology.META_BUCKET), ">"),
        api.message_delete(api.bucket_stream(_STARTS)),
        # Results that were read make room for others.
        api.direct_get(topology.READ_STREAM),
        api.message_delete(topology.READ_STREAM),
        api.stream_purge(api.bucket_stream(_RESULTS)),
        topology.READ_SUBJECTS,
        *(f"docqa.library.{operation}.>" for operation in ("read", "search", "status")),
        "_INBOX_library.erased.>",
        *(api.bucket_key(bucket, ">") for bucket in _KEPT),
        *(api.direct_get(api.bucket_stream(bucket), ">") for bucket in _KEPT),
    ],
    "subscribe": [
        "_INBOX_worker.>",
        topology.CANCEL_SUBJECTS,
        topology.ROLL_CALL_SUBJECT,
        topology.WORKER_SUBJECTS,
        topology.ERASED_SUBJECTS,
    ],
}

_LIBRARY: Final = {
    "publish": [
        topology.ERASED_SUBJECTS,
        topology.ROLL_CALL_SUBJECT,
        api.next_message(_IMPORTS, _LIBRARY_DURABLE),
        api.consumer_info(_IMPORTS, _LIBRARY_DURABLE),
        *api.acks(_IMPORTS, _LIBRARY_DURABLE),
        api.stream_info(_IMPORTS),
        api.direct_get(_IMPORTS),
        # What names an erased document is erased too.
        api.bucket_key(_RESULTS, ">"),
        api.bucket_key(topology.CACHE_BUCKET, ">"),
        api.direct_get(api.bucket_stream(_RESULTS)),
        api.direct_get(api.bucket_stream(_RESULTS), ">"),
        api.direct_get(api.bucket_stream(topology.CACHE_BUCKET), ">"),
        # It alone may delete a result, to overwrite it on the disk: it writes the failure `erased` in its place.
        api.message_delete(api.bucket_stream(_RESULTS)),
        api.message_delete(api.bucket_stream(topology.CACHE_BUCKET)),
        api.direct_get(topology.DEAD_STREAM),
        api.message_delete(topology.DEAD_STREAM),
        api.direct_get(_IMPORTS, ">"),
        api.direct_get(api.bucket_stream(topology.META_BUCKET), ">"),
    ],
    "subscribe": ["_INBOX_library.>", topology.LIBRARY_SUBJECTS, topology.WORKER_SUBJECTS],
    # Who asks names the subject of the reply: the library may publish there once, and soon.
    "allow_responses": {"max": 1, "expires": "30s"},
}


class ImportingAccount(NamedTuple):
    """An account that may publish to some subjects of the host account (services) and receive others (streams)."""

    name: str
    user: str
    password: str
    services: Sequence[str]
    streams: Sequence[str]
    inbox: str = ""
    """If set, the user has permissions, so that the server reports violations; else other subjects lead nowhere."""
    limits: Mapping[str, int] = MappingProxyType({})

    def exports(self) -> list[dict[str, Any]]:
        """What the host account exports to this account only."""
        opened = [_service(subject) for subject in self.services] + [{"stream": subject} for subject in self.streams]
        return [{**export, "accounts": [self.name]} for export in opened]

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
            # The server checks a subject after mapping it.
            publish = [_local(subject) for subject in self.services]
            user["permissions"] = {"publish": publish, "subscribe": [self.inbox, *self.streams]}
        return user


def render(passwords: Mapping[str, str], publishers: Mapping[str, str]) -> dict[str, Any]:
    """All accounts, from the roles' passwords and the direct publishers'."""
    importing = [_ingress(passwords["ingress"]), *(publisher(name, word) for name, word in sorted(publishers.items()))]
    hosts = {
        "jetstream": "enabled",
        "users": [
            _user("admin", passwords, {"publish": [">"], "subscribe": [">"]}),
            _user("worker", passwords, _WORKER),
            _user("library", passwords, _LIBRARY),
        ],
        "exports": [export for account in importing for export in account.exports()],
    }
    return {SYSTEM: {}, topology.ACCOUNT: hosts, **{account.name: account.render() for account in importing}}


def publisher(name: str, password: str) -> ImportingAccount:
    """A direct publisher: its own jobs, results, tokens and cancels."""
    return ImportingAccount(
        name=publisher_user(name),
        user=publisher_user(name),
        password=password,
        services=[
            topology.jobs_subjects(name),
            topology.cancel_subjects(name),
            topology.read_subjects(name),
            _results_of(name),
            *(topology.library_of(operation, name) for operation in _PUBLISHERS_OPERATIONS),
        ],
        streams=[topology.results_subjects(name), topology.tokens_subjects(name)],
        limits=_PUBLISHERS_LIMITS,
    )


def publisher_user(name: str) -> str:
    """The NATS user of a publisher; the prefix keeps it apart from the roles."""
    return f"publisher-{name}"


def _ingress(password: str) -> ImportingAccount:
    return ImportingAccount(
        name="INGRESS",
        user="ingress",
        password=password,
        services=[
            topology.jobs_subjects(_HTTP),
            topology.cancel_subjects(_HTTP),
            topology.read_subjects(_HTTP),
            topology.ROLL_CALL_SUBJECT,
            # The ingress itself stores the failures of cancels, hang-ups and deadlines.
            api.bucket_key(_RESULTS, f"{_HTTP}.>"),
            # An erased result is also emptied in the cache, which the ingress cannot read.
            api.bucket_key(topology.CACHE_BUCKET, f"{_HTTP}.>"),
            api.bucket_key(topology.CACHE_BUCKET, f"{topology.EVERYBODY}.*"),
            api.stream_info(_JOBS),
            api.consumer_info(_JOBS, _DURABLE),
            api.direct_get(_JOBS, topology.jobs_subjects(_HTTP)),
            _results_of(_HTTP),
            _usage_of(_HTTP),
            topology.imports_of(_HTTP),
            api.stream_info(_IMPORTS),
            api.direct_get(_IMPORTS, topology.imports_of(_HTTP)),
            # From when the deadlines of restored jobs count.
            api.direct_get(
                api.bucket_stream(topology.META_BUCKET), api.bucket_key(topology.META_BUCKET, restore_mark.KEY)
            ),
            *(topology.library_of(operation, _HTTP) for operation in _INGRESS_OPERATIONS),
        ],
        streams=[topology.results_subjects(_HTTP), topology.tokens_subjects(_HTTP), topology.WORKER_SUBJECTS],
        inbox="_INBOX_ingress.>",
    )


def _user(role: str, passwords: Mapping[str, str], rights: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": role, "password": passwords[role], "permissions": rights}


def _results_of(publisher: str) -> str:
    """Reading a publisher's stored results."""
    return api.direct_get(api.bucket_stream(_RESULTS), api.bucket_key(_RESULTS, f"{publisher}.>"))


def _usage_of(publisher: str) -> str:
    """Reading what a publisher's clients used, by day."""
    return api.direct_get(
        api.bucket_stream(topology.USAGE_BUCKET), api.bucket_key(topology.USAGE_BUCKET, f"*.{publisher}.>")
    )


def _service(subject: str) -> dict[str, Any]:
    forgotten = {"threshold": _FORGOTTEN_AFTER} if subject.startswith((_CANCEL, _READ)) else {}
    return {"service": subject, **forgotten}


def _of_docqa(subject: str) -> dict[str, str]:
    return {"account": topology.ACCOUNT, "subject": subject}


def _local(subject: str) -> str:
    """The subject inside an importing account: unchanged, except for calls of the JetStream API."""
    if subject.startswith(api.API) and not subject.startswith(api.DIRECT_GET):
        return _LOCAL_API + subject.removeprefix(api.API)
    return subject
