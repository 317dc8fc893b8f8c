"""Plans of sweeps: trials to run and their cost, known before anything starts."""
