"""Everything about a single trial: its record, curves, spectra, outputs and page."""
