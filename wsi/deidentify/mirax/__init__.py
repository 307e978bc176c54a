"""MIRAX (MRXS): settings, an index, and data files in which pictures and all else lie one behind the other."""
