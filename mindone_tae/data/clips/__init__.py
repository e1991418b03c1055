"""Which frames of which files make a clip, and frames kept in memory between clips."""
