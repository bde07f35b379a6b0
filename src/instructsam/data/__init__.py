"""Inst2Seg records: the one format of training and benchmark data."""
