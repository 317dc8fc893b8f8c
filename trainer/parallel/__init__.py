"""One trial on several devices: the ranks that train it together."""
