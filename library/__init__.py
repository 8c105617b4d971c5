"""Documents: read, kept, found and erased. Answers are made elsewhere, from what the library hands on."""
