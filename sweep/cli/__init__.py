"""Parsers, flags and exit codes that the commands share."""
