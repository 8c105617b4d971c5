"""The systems that are measured: started, found and stopped; what is asked of them, others know."""
