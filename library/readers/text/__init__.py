"""Text in bytes: plain, Markdown, HTML and tables, whatever their encoding."""
