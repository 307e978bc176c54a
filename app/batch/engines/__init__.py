"""Engines carry out slide jobs. Each takes the same `SlideJob`s and yields the same events; how many processes or
machines stand behind it is its own affair."""
