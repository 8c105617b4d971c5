"""What the sanitizer takes out of a text: one file for each way that a secret shows itself."""
