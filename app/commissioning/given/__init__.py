"""What a laboratory gives for its proof, read and checked: its labels, its criteria."""
