"""A run's folder: its lock, sessions, checkpoints, log and curves."""
