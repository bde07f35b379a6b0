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
    assert instructsam.__all__ == ["Instances", "Prediction", "Segmenter", "__version__", "build", "load"]
    assert set(instructsam.__all__) <= set(dir(instructsam))


@pytest.mark.parametrize("name", ["Instances", "Prediction", "Segmenter", "build", "load"])
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


@pytest.mark.parametrize("module", TORCH_FREE)
def test_these_modules_import_neither_torch_nor_transformers(module: str) -> None:
    code = (
        f"import sys, importlib; importlib.import_module({module!r});"
        "sys.exit(' '.join({'torch', 'transformers', 'instructsam.model'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_and_the_module_are_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "instructsam", "--help"], capture_output=True, text=True, check=True
    )
    assert "segment" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["segment", "--help"], ["segment", "photo.png"]], ids=" ".join
)
def test_help_and_bad_input_answer_before_torch_is_imported(arguments: list[str]) -> None:
    code = (
        f"import sys; from instructsam.cli.main import run; run({arguments!r});"
        "sys.exit(' '.join({'torch', 'transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
