"""What the services agree on: messages, names on the bus, settings, errors and the sanitizer."""
