"""The table of a cohort, and the page with what can be told of all its slides together. Opens no result."""
