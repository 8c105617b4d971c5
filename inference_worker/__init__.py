"""The service that takes jobs from the bus, answers them with a model, and stores one result each."""
