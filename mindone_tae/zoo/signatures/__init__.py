"""The keywords of a component's constructor, read from source text, and values checked against their annotations."""
