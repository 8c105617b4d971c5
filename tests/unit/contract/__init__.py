"""Tests of contract/, without a server."""
