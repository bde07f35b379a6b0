"""The detector: one protocol (`base`), one registry, one file per detector."""
