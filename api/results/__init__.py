"""Which trials: filters, pages of a list, groups."""
