"""Scenes: layout, objects and places, then pixels and exact masks, and the facts that answers are computed from."""
