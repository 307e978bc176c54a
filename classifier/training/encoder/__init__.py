"""From a network that others made to a folder of ours: brought in, checked, tried, and described on a card."""
