"""Tests of ops/, with real servers."""
