"""Tests of the library, without a process or a server."""
