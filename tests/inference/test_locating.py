"""Names of models that can be nothing."""

from __future__ import annotations

import pytest

from instructsam.errors import CheckpointError
from instructsam.inference.locating import local_folder


@pytest.mark.parametrize("name", ["x" * 5000, "~no_such_user_here/model", "nul\0", "a/b/c", ""])
def test_odd_names_are_refused_with_one_message(name: str) -> None:
    with pytest.raises(CheckpointError):
        local_folder(name)
