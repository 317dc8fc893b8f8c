"""What a person is shown of a sweep, from its store alone."""
