"""TIFF and its kin: Aperio, Hamamatsu NDPI, Philips, OME-TIFF, and those of no maker."""
