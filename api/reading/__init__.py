"""The store as it is now. Knows no HTTP."""
