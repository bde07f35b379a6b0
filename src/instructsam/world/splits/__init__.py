"""The training stream and the benchmark splits of the world."""
