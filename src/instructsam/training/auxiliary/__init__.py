"""Auxiliary training objectives, one file each; `training.stage_table` lists those of each stage."""
