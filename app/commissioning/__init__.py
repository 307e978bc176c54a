"""A laboratory's own proof of the tool: its criteria and labels, a run over its slides, figures, a sealed dossier. And
what `run --commissioned` asks of such a dossier."""
