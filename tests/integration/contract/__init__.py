"""Tests of contract/, with real servers."""
