"""Answers that show where they stand: evidence found before the model runs, quotes, citations, support."""
