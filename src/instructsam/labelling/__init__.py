"""Labelling of folders: many images, the same instructions about each, results in the formats of other tools."""
