"""Tests of ingress/, without a server."""
