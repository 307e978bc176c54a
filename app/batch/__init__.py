"""A batch of slides: what is asked, which engine does it, and that every slide is accounted for."""
