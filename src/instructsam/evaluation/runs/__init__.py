"""Runs: the answers to a benchmark, stored line by line, so that they can be resumed and scored again."""
