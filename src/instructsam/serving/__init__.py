"""The server: `instructsam serve` and `instructsam app`. Web frameworks are imported here and nowhere else."""
