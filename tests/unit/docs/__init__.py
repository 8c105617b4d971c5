"""Tests of docs/, without a server."""
