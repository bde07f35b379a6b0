"""Instructions as programs: trees of operations, one file per operation, in the table of `operations`.

Base classes and shared parts: `program`, `modified` (a noun with a modifier), `ranked` (the first ones in an order),
`sides`, `measures`, `proposer`, `operation`. Every other module is an operation.
"""
