"""Snapshots of model files, and the record that the worker holds its model against when it starts."""
