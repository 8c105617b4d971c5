"""Tests of parts by themselves: no server, no process, no model."""
