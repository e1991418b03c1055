"""Which files make up a data set: tables, collections, manifests, and what check-data finds in them."""
