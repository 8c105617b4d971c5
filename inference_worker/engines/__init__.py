"""What answers a query: the interface of every engine, and the small ones. Knows neither bus nor llama.cpp."""
