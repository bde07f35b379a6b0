"""Benchmarks: images with records in a fixed order, by name, and changed copies of them."""
