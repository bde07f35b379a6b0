"""Settings of an engine run: one file per group, and `config` with all of them."""
