"""llama.cpp itself: the only room of the worker that calls it. Knows nothing of queries, queues or asyncio."""
