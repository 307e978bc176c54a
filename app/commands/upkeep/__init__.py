"""Commands that go on after the first day."""
