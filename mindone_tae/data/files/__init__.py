"""The files of a data set: tables, collections, manifests, and their checks."""
