"""Recipes: YAML files read, overridden, checked and resolved before anything heavy is imported."""
