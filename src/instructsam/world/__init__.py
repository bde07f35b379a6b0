"""Drawn scenes with exact masks, and instructions about them whose answers are computed."""
