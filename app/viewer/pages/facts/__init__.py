"""What a person may want to know before believing anything: the models, and this program."""
