"""Notes and tags on trials and sweeps."""
