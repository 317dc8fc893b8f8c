"""Trials as processes on a cluster: the only room that knows Ray and Optuna."""
