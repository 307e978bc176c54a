"""One slide: heatmap over tissue, the call beside it, what one tile holds."""
