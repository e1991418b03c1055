"""Shared by tests of check-data: a call of the command, and the rows of a manifest."""

import csv

from mindone_tae import cli


def check_data(*arguments):
    return cli.run(["check-data", *map(str, arguments)])


def rows_of(manifest):
    with open(manifest, encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}
