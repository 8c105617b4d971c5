"""Jobs on their way through the worker: fetched from the bus, queued, started, stored, replied to. Knows no model."""
