"""Which slides and regions are worth a person's next minutes, and why."""
