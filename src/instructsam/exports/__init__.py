"""Predictions in other libraries' formats: one module per format, each with a function `export`."""
