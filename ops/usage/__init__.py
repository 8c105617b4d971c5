"""What `docqa usage` shows: days, report, picture."""
