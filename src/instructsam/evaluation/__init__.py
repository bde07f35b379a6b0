"""Benchmarks, predictions on disk, scores and reports."""
