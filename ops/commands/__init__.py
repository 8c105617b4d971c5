"""The commands of `docqa`, one a file: options, words, exit codes. What they do is in the rooms beside."""
