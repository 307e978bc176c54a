"""What may be said to each command: its arguments, options and help. What it does is imported when it is called."""
