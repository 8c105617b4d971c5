"""Tests of inference_worker/, without a server."""
