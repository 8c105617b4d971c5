"""Documents that are made for measuring the readers, each with the text that a person would read in it."""
