"""Quality of answers."""
