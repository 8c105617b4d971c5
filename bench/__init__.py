"""Measures a running system from outside."""
