"""Files that are ours, of any kind: written whole or not at all, read only where they are what they should be."""
