"""Tests of parts on a real nats-server, each with a server and a store of its own."""
