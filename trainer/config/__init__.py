"""What can be trained and what it costs. Standard library only, for everyone to read."""
