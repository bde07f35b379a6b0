"""The ledger: parts of rows, appended once and never changed.

`store` has the protocol, `ledger` keeps parts in a folder: one canonical JSON line per part (`lines`) in segments, each
written by one process (`segments`), found by an index (`index`) that is rebuilt from the segments (`scan`, `folders`).
"""
