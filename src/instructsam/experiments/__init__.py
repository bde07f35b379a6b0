"""Ablations: a plan of training runs, the runs themselves, and the table of their scores."""
