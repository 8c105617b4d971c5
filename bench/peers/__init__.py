"""The comparison with other servers of the same model: who takes part, what each contest measures."""
