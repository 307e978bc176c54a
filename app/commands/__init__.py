"""One module a command: the words of the command line turned into one call, and what is shown of it."""
