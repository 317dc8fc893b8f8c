"""The store: its files and tables, and who may write them. Knows neither trainer nor Ray."""
