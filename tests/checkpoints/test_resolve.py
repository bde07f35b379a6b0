"""Names of models that can be nothing."""

from __future__ import annotations

import pytest

from instructsam.checkpoints.resolve import local_folder
from instructsam.errors import CheckpointError


@pytest.mark.parametrize("name", ["x" * 5000, "~no_such_user_here/model", "nul\0", "a/b/c", ""])
def test_odd_names_are_refused_with_one_message(name: str) -> None:
    with pytest.raises(CheckpointError):
        local_folder(name)
