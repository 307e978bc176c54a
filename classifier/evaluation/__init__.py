"""How good a model is, and how sure that is. Figures in, findings out; nothing is trained here."""
