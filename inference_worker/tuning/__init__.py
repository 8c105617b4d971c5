"""How the model is run on this machine: found by measuring, kept, and planned from at each start."""
