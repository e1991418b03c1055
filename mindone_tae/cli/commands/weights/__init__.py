"""Commands that make, convert or tell of weights."""
