"""The dossier as pages for people."""
