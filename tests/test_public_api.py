from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import instructsam

TORCH_FREE = [
    "instructsam",
    "instructsam.config",
    "instructsam.errors",
    "instructsam.data.record",
    "instructsam.evaluation.metrics.table",
    "instructsam.evaluation.reports.report",
    "instructsam.structures.boxes",
    "instructsam.structures.instances",
    "instructsam.structures.predictions",
    "instructsam.structures.masks",
    "instructsam.structures.outputs",
    "instructsam.world.splits.build",
    "instructsam.world.instructions.instruction",
    "instructsam.world.scenes.render",
    "instructsam.world.scenes.scene",
    "instructsam.world.splits.stream",
]


def test_the_public_names_are_exactly_these() -> None:
    assert instructsam.__all__ == [
        "Instances",
        "Prediction",
        "Segmenter",
        "__version__",
        "build",
        "label",
        "load",
        "train",
    ]
    assert set(instructsam.__all__) <= set(dir(instructsam))


@pytest.mark.parametrize("name", ["Instances", "Prediction", "Segmenter", "build", "label", "load", "train"])
def test_each_public_name_resolves_to_a_documented_object(name: str) -> None:
    value = getattr(instructsam, name)
    assert value.__name__ == name
    assert value.__doc__
    assert getattr(instructsam, name) is value


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'; it offers Instances, Prediction"):
        _ = instructsam.Segmentor


def test_the_version_is_the_installed_one() -> None:
    assert instructsam.__version__ == version("instructsam")


def test_these_modules_import_neither_torch_nor_transformers() -> None:
    """One after another in one process; the message names the first that does."""
    code = f"""
import importlib, sys
for name in {TORCH_FREE!r}:
    importlib.import_module(name)
    if found := {{"torch", "transformers", "instructsam.model"}} & set(sys.modules):
        sys.exit(f"{{name}} imports {{found}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_and_the_module_are_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "instructsam", "--help"], capture_output=True, text=True, check=True
    )
    assert "segment" in done.stdout
