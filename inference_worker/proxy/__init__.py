"""The backend that is asked over HTTP: an OpenAI-compatible API, with a cache and a budget before it."""
