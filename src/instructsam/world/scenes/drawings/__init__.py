"""Drawings of the kinds of objects, one file per group.

- `geometry`, `sketch`, `patterns`: shapes, recorded with stripes and dots.
- `raster`: from shapes to pixels.
- `registry`: the function of each kind.
"""
