"""The bus described for programs: an AsyncAPI 3 document and JSON Schemas, made from the messages and the topology.

Pure. `docs/generate.py` writes what is made here, and a test holds the files to it.
"""

from typing import Any, Final, NamedTuple

import msgspec

from contract import lenient, topology
from contract.bus import api
from contract.messages import (
    VERSION,
    Answer,
    DeadLetter,
    Failure,
    Query,
    Timings,
    TokenEvent,
    Usage,
    WorkerAnnouncement,
    encode,
)
from contract.topology import JobName

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_FORMAT: Final = "application/schema+json;version=draft-07"
"""AsyncAPI's own dialect knows a `discriminator` of another form than msgspec's."""

_DESCRIPTION: Final = (
    "What Goblin DocQA receives and sends over NATS. A direct publisher does the reverse: she sends jobs and cancels, "
    "and receives results and tokens. docs/protocol.md says in prose what to do with each answer."
)
_JOB_ID: Final = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3"
_SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_PARAMETERS: Final = {
    "publisher": "Who publishes: the name given to `docqa publishers add`; `http` is the ingress. [a-z0-9_-]{1,64}",
    "client": "For whom, as the publisher vouches. [a-z0-9_-]{1,64}",
    "job_id": "A UUID in its canonical form, drawn by the publisher, the same for every try of one job.",
}


class Message(NamedTuple):
    """A message, the Struct that it is made of, and one as it travels."""

    name: str
    summary: str
    kind: type[msgspec.Struct]
    example: msgspec.Struct


MESSAGES: Final = (
    Message(
        "query",
        "A question about a document. Unknown fields are ignored; `v` newer than a worker's is left to a newer one.",
        Query,
        Query(query="How much notice must the tenant give?", context="The tenant may end this lease at any time."),
    ),
    Message(
        "answer",
        "How a job ends that could be answered.",
        Answer,
        Answer(
            id=_JOB_ID,
            answer="Two months.",
            finish_reason="stop",
            model="smollm2",
            usage=Usage(prompt_tokens=61, completion_tokens=4, cached_tokens=32),
            timings=Timings(queued_ms=3.1, prefill_ms=210.5, decode_ms=88.0, total_ms=301.9),
            body_sha256=_SHA256,
        ),
    ),
    Message(
        "failure",
        "How a job ends that could not be answered, and why.",
        Failure,
        Failure(id=_JOB_ID, code="deadline-exceeded", detail="No answer was made within 300 s.", body_sha256=_SHA256),
    ),
    Message(
        "token",
        "A piece of an answer as it is made: best effort. A new attempt begins again at index 0.",
        TokenEvent,
        TokenEvent(attempt=1, index=0, text="Two"),
    ),
    Message(
        "dead_letter",
        "A job that could not be answered, sanitized, for its operator.",
        DeadLetter,
        DeadLetter(
            subject=JobName("alice", "c1", _JOB_ID).subject,
            reason="bad-message",
            detail="Field `query`: expected `str`, got `int`.",
            attempts=0,
            headers={},
            size_bytes=11,
            sha256=_SHA256,
        ),
    ),
    Message(
        "worker",
        "What a worker says of itself every few seconds.",
        WorkerAnnouncement,
        WorkerAnnouncement(
            id=_JOB_ID,
            model="smollm2",
            slots=8,
            busy=3,
            held=5,
            jobs_per_s=1.5,
            tokens_per_s=48.0,
            memory_bytes=350_000_000,
            context_tokens=8192,
            max_prompt_bytes=24_000,
        ),
    ),
)

_UNION: Final = {"result": Answer | Failure}
"""What a reader has to expect at one place."""


def schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema for each message, by name, each whole in itself."""
    kinds: dict[str, Any] = {message.name: message.kind for message in MESSAGES}
    return {name: _schema(name, kind) for name, kind in (kinds | _UNION).items()}


def document() -> dict[str, Any]:
    """The AsyncAPI 3 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Goblin DocQA on NATS", "version": f"{VERSION}.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"bus": _server()},
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {message.name: _message(message) for message in MESSAGES} | _BARE_MESSAGES,
            "schemas": _components(),
            "securitySchemes": {"credentials": {"type": "userPassword"}},
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "127.0.0.1:4222",
        "protocol": "nats",
        "description": "nats-server 2.15 or newer with JetStream; on another machine under TLS only.",
        "security": [{"$ref": "#/components/securitySchemes/credentials"}],
    }


def _channels() -> dict[str, Any]:
    job = "{publisher}.{client}.{job_id}"
    return {
        "jobs": _channel(
            f"docqa.jobs.{job}",
            "Publish to JetStream and await its acknowledgement: then the job is on disk.",
            ["query", "pub_ack"],
            {
                "stream": topology.JOBS_STREAM,
                "retention": "workqueue",
                "discard": "new",
                "maxMsgsPerSubject": 1,
                "durable": topology.WORKER_DURABLE,
            },
        ),
        "cancel": _channel(f"docqa.cancel.{job}", "Stop a job that a worker holds: best effort.", ["cancel"]),
        "results": _channel(f"docqa.results.{job}", "The result, live: best effort.", ["answer", "failure"]),
        "tokens": _channel(f"docqa.tokens.{job}", "The answer as it is made: best effort.", ["token"]),
        "stored_results": _channel(
            api.direct_get(api.bucket_stream(topology.RESULTS_BUCKET), api.bucket_key(topology.RESULTS_BUCKET, job)),
            "Request with an empty body to read the stored result: the truth. Header `Status: 404`: there is none.",
            ["read", "answer", "failure"],
            {"stream": api.bucket_stream(topology.RESULTS_BUCKET), "bucket": topology.RESULTS_BUCKET},
        ),
        "dead_letters": _channel(
            "docqa.dead.{reason}.{job_id}",
            "For operators: no direct publisher reaches it.",
            ["dead_letter"],
            {"stream": topology.DEAD_STREAM},
        ),
        "workers": _channel(
            "docqa.workers.{worker_id}", "For the ingress: no direct publisher reaches it.", ["worker"]
        ),
    }


def _operations() -> dict[str, Any]:
    return {
        "takeJob": {
            **_operation("receive", "jobs", ["query"]),
            "reply": {"channel": _to("channels/jobs"), "messages": [_to("channels/jobs/messages/pub_ack")]},
        },
        "takeCancel": _operation("receive", "cancel", ["cancel"]),
        "tellResult": _operation("send", "results", ["answer", "failure"]),
        "tellToken": _operation("send", "tokens", ["token"]),
        "giveStoredResult": {
            **_operation("receive", "stored_results", ["read"]),
            "reply": {
                "channel": _to("channels/stored_results"),
                "messages": [_to(f"channels/stored_results/messages/{name}") for name in ("answer", "failure")],
            },
        },
        "keepDeadLetter": _operation("send", "dead_letters", ["dead_letter"]),
        "announceWorker": _operation("send", "workers", ["worker"]),
    }


_BARE_MESSAGES: Final[dict[str, Any]] = {
    "pub_ack": {
        "name": "pub_ack",
        "summary": "JetStream's word: stored under `seq`, or `error` and why not.",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "properties": {
                "stream": {"type": "string"},
                "seq": {"type": "integer"},
                "error": {
                    "type": "object",
                    "properties": {
                        "code": {"type": "integer"},
                        "err_code": {"type": "integer"},
                        "description": {"type": "string"},
                    },
                },
            },
        },
    },
    "cancel": {"name": "cancel", "summary": "No body.", "contentType": "application/octet-stream"},
    "read": {"name": "read", "summary": "No body.", "contentType": "application/octet-stream"},
}


def _channel(
    address: str, description: str, messages: list[str], jetstream: dict[str, Any] | None = None
) -> dict[str, Any]:
    names = [part.partition("}")[0] for part in address.split("{")[1:]]
    described = {"reason": "Why: the failure's code.", "worker_id": "One of a worker's own.", **_PARAMETERS}
    return {
        "address": address,
        "description": description,
        "messages": {name: _to(f"components/messages/{name}") for name in messages},
        "parameters": {name: {"description": described[name]} for name in names},
        # AsyncAPI's binding for NATS has a field for queue groups and none for JetStream.
        **({"x-jetstream": jetstream} if jetstream else {}),
    }


def _operation(action: str, channel: str, messages: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": _to(f"channels/{channel}"),
        "messages": [_to(f"channels/{channel}/messages/{name}") for name in messages],
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "name": message.name,
        "summary": message.summary,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": _HEADERS} if message.kind is Query else {"type": "object"},
        "payload": {"schemaFormat": _FORMAT, "schema": _to(f"components/schemas/{message.kind.__name__}")},
        "examples": [{"payload": msgspec.json.decode(encode(message.example))}],
    }


_HEADERS: Final = {
    topology.TRACE_HEADER: {
        "type": "string",
        "description": "W3C trace context, passed on into logs; may be left out.",
    },
    topology.BODY_HASH_HEADER: {"type": "string", "description": "Hexadecimal SHA-256 of the body; may be left out."},
}


def _components() -> dict[str, Any]:
    kinds = [message.kind for message in MESSAGES]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return {name: lenient.schema(part) if name == "Query" else part for name, part in components.items()}


def _schema(name: str, kind: Any) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)
    # A keyword of OpenAPI's, not of JSON Schema's; the constant `status` of each says the same.
    schema.pop("discriminator", None)
    if "Query" in schema.get("$defs", {}):
        schema["$defs"]["Query"] = lenient.schema(schema["$defs"]["Query"])
    return {"$schema": _DRAFT, "$id": f"urn:goblin-docqa:{VERSION}:{name}", **schema}


def _to(place: str) -> dict[str, str]:
    return {"$ref": f"#/{place}"}
