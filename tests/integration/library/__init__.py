"""Tests of the library with real files, each read in a process of its own."""
