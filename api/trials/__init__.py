"""One trial: what it is, its curve, spectra, outputs, and its page."""
