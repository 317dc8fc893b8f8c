"""GAN training: networks, spectra, scores and collapse. Knows no Ray, Parquet or HTTP."""
