"""What `docqa batch` does: many questions, each asked once whatever is killed, and answered while nobody waits."""
