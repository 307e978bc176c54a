"""What colours say whatever a tile shows: stains, glass, and what sets a picture's white. Arrays in, arrays out."""
