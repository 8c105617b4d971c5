"""Documents brought into a whole system: how fast they are read and found, and what kills cost."""
