"""Slides that somebody looks at outside a run: opened in limited processes of their own, never in ours."""
