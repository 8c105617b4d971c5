"""Tests of bench/, with real servers."""
