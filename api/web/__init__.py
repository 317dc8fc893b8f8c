"""HTTP itself. Knows no trial, sweep or figure."""
