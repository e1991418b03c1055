"""The report page: what a command saw, kept beside its other output, and the one HTML file that shows it.

`recording` keeps frames and figures while a command works; `page` makes the file of one such folder or of several.
"""
