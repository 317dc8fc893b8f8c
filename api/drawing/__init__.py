"""Draws curves, panels and spectra. Takes numbers and knows no subject."""
