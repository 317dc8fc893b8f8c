"""What a browser gets on every page."""
