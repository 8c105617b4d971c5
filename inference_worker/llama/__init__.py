"""Continuous batching over llama.cpp: model, scheduler, KV cache, prefixes. Knows prompts and tokens; knows no job and no bus."""
