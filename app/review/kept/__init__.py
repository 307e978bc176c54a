"""How it is kept: tables and their rows, in a file or in PostgreSQL. Knows SQL and no rule of reviewing."""
