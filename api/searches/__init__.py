"""Searches: what a sweep's trials vary, and what their scores say of it."""
