"""Benchmarks of a running system, measured from outside."""
