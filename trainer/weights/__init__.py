"""The weights that any network applies: found in one forward pass, measured, overwritten."""
