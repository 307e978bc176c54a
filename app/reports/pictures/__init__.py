"""The pictures of a report: the heatmap, and where the slide file is at hand the tissue itself."""
