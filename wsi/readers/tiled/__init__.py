"""Slides whose tiles are decoded here instead of by OpenSlide."""
