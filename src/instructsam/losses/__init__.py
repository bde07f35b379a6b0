"""Matching of queries to targets, and the training loss; import from the modules."""
