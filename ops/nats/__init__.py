"""The embedded nats-server: configuration, accounts, its store, administration."""
