"""Writers of finished data sets."""
