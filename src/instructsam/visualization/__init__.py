"""Overlay images: coloured instances with outlines, numbers and a legend."""
