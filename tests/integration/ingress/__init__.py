"""Tests of ingress/, with real servers."""
