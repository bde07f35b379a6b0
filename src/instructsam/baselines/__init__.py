"""Rivals: other ways to answer an instruction, run by the same benchmarks (docs/rivals.md)."""
