"""What `docqa batch` does: many questions, each asked once whatever is killed, answered after all others."""
