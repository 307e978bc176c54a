"""What goes on after the first day: watching that slides, model and readers stay what they were."""
