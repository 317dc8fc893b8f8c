"""SQL over the store, answered by processes of their own."""
