"""Slides with a known truth, drawn by ourselves: shapes in um, painted tissue, marks, and the pyramid."""
