"""What is done with the large planes of a mask, whatever they show: bands of rows, connected parts."""
