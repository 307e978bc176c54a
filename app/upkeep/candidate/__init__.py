"""A model that would take another's place: trained on what was learned, judged against what stands, promoted by a
person."""
