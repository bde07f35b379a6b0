"""Checks of a source of training data: its contents, doubts about them, and pictures to look at."""
