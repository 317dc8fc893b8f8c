"""Mirrors of a sweep in other trackers: each trial a run, each point once."""
