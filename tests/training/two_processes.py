"""What `test_distributed.py` starts twice: a short run, with the overrides on the command line."""

from __future__ import annotations

import sys

from instructsam.training.trainer import run

if __name__ == "__main__":
    run(None, sys.argv[2:], resume=sys.argv[1] == "resume")
