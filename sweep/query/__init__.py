"""Read-only SQL over the store's tables, by DuckDB in a sandbox."""
