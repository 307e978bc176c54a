"""What a command says to a person at a terminal, and how it reads what they typed."""
