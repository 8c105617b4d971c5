"""Continuous batching over llama.cpp: model, scheduler, KV cache, prefixes. Knows no job and no bus."""
