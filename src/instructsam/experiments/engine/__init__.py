"""Runs of the data engine, put together: sources, models, servers, ledger, export and review."""
