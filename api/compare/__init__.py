"""A few trials side by side."""
