"""Sweeps of GAN trials with Ray Tune, and the Parquet store that holds what they measure."""
