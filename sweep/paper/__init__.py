"""Comparisons with the paper: its Table II, pairs, claims, trends. Standard library only."""
