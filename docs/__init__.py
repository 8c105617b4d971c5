"""What generates the documents that are made from the code."""
