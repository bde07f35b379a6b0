"""Ablation variants: one protocol (`base`), one registry, one file per variant."""
