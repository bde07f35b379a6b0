"""The ledger: parts of rows, appended once and never changed."""
