"""The comparison of the sanitizer with others: labelled texts, scores, tables."""
