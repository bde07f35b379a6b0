"""From a source of images and objects to the rows of a run (docs/engine_data.md)."""
