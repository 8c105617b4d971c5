"""Tests of deploy/, without a server."""
