"""The HTTP service and its pages over a results store. Knows neither torch nor Ray."""
