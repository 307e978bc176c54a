"""Processes that read slides: how they are started, what they may not do, and how they are set up. Knows no slide."""
