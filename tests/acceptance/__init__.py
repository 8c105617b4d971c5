"""Black-box tests of the running product: real processes, a real nats-server, real signals, real kills."""
