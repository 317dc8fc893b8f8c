"""What the commands that can be typed share."""
