"""How the library finds passages: by words, by meaning, within what a caller may read."""
