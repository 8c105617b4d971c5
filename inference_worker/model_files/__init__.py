"""The model's files: found, checked, converted, snapshotted, and the plan of how one is run. Loads no model."""
