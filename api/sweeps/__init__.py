"""Sweeps: how they stand, what needs a look, and their pages."""
