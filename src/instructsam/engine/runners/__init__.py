"""Runners: they perform the tasks of many rows, in this process or on a cluster."""
