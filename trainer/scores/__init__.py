"""Scores of generated images, and the real ones that they are held against."""
