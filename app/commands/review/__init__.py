"""What commands do with what people decided; the words of `pulmoscope review` are in `group`."""
