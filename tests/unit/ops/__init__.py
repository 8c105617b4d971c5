"""Tests of ops/, without a server."""
