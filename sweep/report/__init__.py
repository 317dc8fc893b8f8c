"""Reports on a sweep for people, from its store alone."""
