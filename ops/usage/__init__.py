"""The report of `docqa usage`: reads the days, sums them up, draws them."""
