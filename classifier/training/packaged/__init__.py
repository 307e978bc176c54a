"""The models that come with the program: their tiles and their trainings, run by hand."""
