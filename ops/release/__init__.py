"""How a new release is judged: smoke test, canary, verdict."""
