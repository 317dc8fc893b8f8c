"""Images to train on, and what gives them to a run."""
