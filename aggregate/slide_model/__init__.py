"""Models of the slide as a whole: from the features of its tiles to calibrated probabilities, sets and attention."""
