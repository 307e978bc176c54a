"""How the tables came to be: one step a file, applied by the program when it first writes; nothing is done by hand."""
