"""The comparison with other servers of the same model: the systems, and what each contest measures."""
