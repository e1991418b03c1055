"""The commands of mindone-tae, one module a command."""
