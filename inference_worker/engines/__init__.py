"""What answers a query: the interface that every engine has, and the small ones. Knows neither the bus nor llama.cpp."""
