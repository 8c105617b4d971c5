"""What `docqa models` and the preflight ask of the worker's tools, and how their replies are shown."""
