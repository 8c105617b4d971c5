"""The message bus as the services use it: connection, buckets, streams. Knows NATS; knows no service."""

from contract.bus.client import Bus, QueueState, connected

__all__ = ["Bus", "QueueState", "connected"]
