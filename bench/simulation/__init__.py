"""A model of the whole system on paper: what it would do with other numbers of workers, arrivals and documents."""
