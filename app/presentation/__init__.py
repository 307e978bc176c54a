"""How results look and read, shared by terminal, reports and viewer. Knows none of them."""
