"""Messages as text, and what is attached to them."""
