"""Who is asking: bearer tokens, callers, rate limits. Knows no job."""
