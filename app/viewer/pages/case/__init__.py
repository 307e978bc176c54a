"""The pages of cases: the list of them, and one with its slides side by side, its call and its signature."""
