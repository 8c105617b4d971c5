"""PDF as text: pieces of lines with their places, then order, paragraphs, headings, running heads."""
