"""Trials that can be trained, and their costs. Standard library only, for everyone to read."""
