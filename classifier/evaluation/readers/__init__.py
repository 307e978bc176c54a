"""People beside the model: their calls on the tiles that it is judged on, and how far all agree."""
