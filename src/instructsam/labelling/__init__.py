"""Labelling of folders: many images, the same instructions about each, results in the formats of other tools.

- `answerer`, `worker`, `pool`, `engine`: answers to batches of images, in this process or one per device.
- `run`: answers in the log of a folder; `outputs`: exports, review page and summary from that log.
- `stream`: `instructsam.label`.
"""

from instructsam.inference.run_requests import Failure

__all__ = ["Failure"]
