"""Tests of docs/, with real servers."""
