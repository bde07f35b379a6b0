"""Metrics: pure functions from masks to numbers; new ones are entries of `registry`.

- `matching`, `average_precision`, `concept_f1`: how predictions meet targets.
- `scoring`, `scores`, `score_set`: the numbers of one instruction, and totals over many.
- `metric`, `registry`, `describe`: the metrics and their definitions.
- `table`, `bootstrap`: values with intervals.
"""
