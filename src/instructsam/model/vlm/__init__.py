"""The vision-language model: one protocol (`base`), one registry, one file per family."""
