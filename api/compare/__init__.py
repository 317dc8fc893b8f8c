"""Comparison of a few trials, side by side."""
