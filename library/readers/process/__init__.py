"""A reader's process, from both sides: how it is started, bounded, shut in, and what it says."""
