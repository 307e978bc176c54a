"""The report of a case: its slides together, one call with its slide of origin. One module says, three lay out."""
