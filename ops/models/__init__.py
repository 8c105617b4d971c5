"""Runs the worker's model tools for `docqa models`, and shows their results."""
