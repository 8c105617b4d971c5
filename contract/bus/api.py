"""JetStream's own subjects and the names of buckets' streams, each spelled once. Knows nothing of what is stored."""

from typing import Final

API: Final = "$JS.API."
DIRECT_GET: Final = f"{API}DIRECT.GET."
ACKS: Final = "$JS.ACK."
STREAM_NAMES: Final = f"{API}STREAM.NAMES"


def stream_info(stream: str) -> str:
    return f"{API}STREAM.INFO.{stream}"


def stream_purge(stream: str) -> str:
    return f"{API}STREAM.PURGE.{stream}"


def stream_delete(stream: str) -> str:
    return f"{API}STREAM.DELETE.{stream}"


def stream_snapshot(stream: str) -> str:
    return f"{API}STREAM.SNAPSHOT.{stream}"


def stream_restore(stream: str) -> str:
    return f"{API}STREAM.RESTORE.{stream}"


def message_delete(stream: str) -> str:
    return f"{API}STREAM.MSG.DELETE.{stream}"


def direct_get(stream: str, subject: str = "") -> str:
    """Reads a message by what the request says; with `subject`, the last message of that subject."""
    return f"{DIRECT_GET}{stream}.{subject}" if subject else f"{DIRECT_GET}{stream}"


def consumer_info(stream: str, durable: str) -> str:
    return f"{API}CONSUMER.INFO.{stream}.{durable}"


def consumer_reset(stream: str, durable: str) -> str:
    """Has messages delivered again from a sequence on."""
    return f"{API}CONSUMER.RESET.{stream}.{durable}"


def next_message(stream: str, durable: str) -> str:
    return f"{API}CONSUMER.MSG.NEXT.{stream}.{durable}"


def acks(stream: str, durable: str) -> tuple[str, str]:
    """Where deliveries are acknowledged, in the subjects' form without and with domain and account."""
    return f"{ACKS}{stream}.{durable}.>", f"{ACKS}*.*.{stream}.{durable}.>"


def bucket_stream(bucket: str) -> str:
    """The stream that holds a bucket."""
    return f"KV_{bucket}"


def bucket_key(bucket: str, key: str) -> str:
    """The subject of a key, or of the keys that match a pattern."""
    return f"$KV.{bucket}.{key}"
