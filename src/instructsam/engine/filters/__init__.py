"""Filters over the accepted candidates of a run."""
