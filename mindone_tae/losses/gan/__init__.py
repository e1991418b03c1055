"""Discriminators and their losses."""
