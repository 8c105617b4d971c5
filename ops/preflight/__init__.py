"""What `docqa preflight` looks at, one noun a file: facts are gathered in one function and judged in another."""
