"""What is to run and what it costs, known before anything starts."""
