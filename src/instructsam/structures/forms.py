"""How a model says which instances it means: the method itself, and the two baselines that its paper argues with.

- "queries": a block of Q instance queries per phrase, whose detections are the instances (the method).
- "token_as_mask": one `[SEG]` per phrase and one mask, the union of what the phrase means; each connected part of it
  is an instance. What is special about it: `inference/token_as_mask.py`.
- "token_per_instance": one `[SEG]` after the other, left to right, one instance each; the language model decides how
  many there are. What is special about it: `model/token_per_instance.py`.

Both baselines have Q = 1 and the same parts as the method. Published checkpoints are always "queries".
"""

from __future__ import annotations

from typing import Literal

InstanceForm = Literal["queries", "token_as_mask", "token_per_instance"]
QueryAttention = Literal["hybrid", "causal"]
