"""Keys and tokens that show by their own form what they are. Knows nothing of the names that a text gives them."""
