"""Programs that `docqa` starts beside the worker: tuning, lists of models, snapshots, memory needed."""
