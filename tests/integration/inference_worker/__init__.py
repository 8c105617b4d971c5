"""Tests of inference_worker/, with real servers."""
