"""Orders of trials: what people ask the server of a cluster to train, and how that stands."""
