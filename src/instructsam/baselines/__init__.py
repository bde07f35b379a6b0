"""Baselines: other ways to answer an instruction, on the same benchmarks (docs/baselines.md)."""
