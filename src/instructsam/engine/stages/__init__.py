"""The stages: pure functions of one row. None of them knows a server, a ledger or another row."""
