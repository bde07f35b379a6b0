"""Silences the reports and progress bars of transformers, so that they do not appear in a caller's log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0  # calls in all threads: the settings are global, so the first call changes and the last one restores them
_restore: Callable[[], None] | None = None


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence reports and progress bars of transformers inside the block; the caller's settings are restored after.

    Our own errors contain the information of the reports.
    """
    global _inside, _restore
    with _lock:
        if not _inside:
            _restore = _silence()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _restore is not None:
                _restore()


def _silence() -> Callable[[], None]:
    """Disable reports and progress bars of transformers; returns a function that restores the earlier settings."""
    from huggingface_hub.constants import HF_HUB_DISABLE_PROGRESS_BARS
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers import logging

    verbosity, hub_off = logging.get_verbosity(), are_progress_bars_disabled()
    # HF_HUB_DISABLE_PROGRESS_BARS=0 requests bars, and has priority in huggingface_hub.
    bars = logging.is_progress_bar_enabled() and HF_HUB_DISABLE_PROGRESS_BARS is None
    logging.set_verbosity_error()
    if bars:
        logging.disable_progress_bar()

    def restore() -> None:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # enables those of huggingface_hub as well
            if hub_off:
                disable_progress_bars()

    return restore
