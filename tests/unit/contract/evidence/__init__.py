"""Evidence: sentences, words, ranking, quotes, support."""
