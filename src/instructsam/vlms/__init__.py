"""Stock vision-language models as parts of baselines: one protocol, a client of a server, and a local model."""
