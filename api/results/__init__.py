"""Lists of trials: filters, paging, groups, and their page."""
