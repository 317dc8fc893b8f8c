"""Figures of the paper, from what was measured."""
