"""The checks of `docqa preflight`, one topic per file; each separates reading facts from judging them."""
