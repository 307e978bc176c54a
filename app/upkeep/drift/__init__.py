"""Whether what comes in, or what the model makes of it, is still what it was when the laboratory began."""
