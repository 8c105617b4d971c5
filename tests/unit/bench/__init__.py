"""Tests of bench/, without a server."""
