"""What of a result and its slide a page draws: the heatmap as pictures, one spot, its file."""
