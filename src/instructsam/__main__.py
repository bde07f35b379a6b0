"""`python -m instructsam` is the same as the `instructsam` command."""

from __future__ import annotations

from instructsam.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
