"""The report: frames and figures saved beside a command's other output, and one HTML page that shows them.

`recording` saves frames and figures while a command works; `page` makes the HTML file of one or several such folders.
"""
