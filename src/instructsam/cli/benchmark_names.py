"""Tells model and benchmark apart among the names on a command line."""

from __future__ import annotations

from difflib import get_close_matches
from os.path import isfile
from pathlib import Path

from instructsam.errors import InputError

_CLOSE = 0.8  # similarity of a mistyped name


def model_and_benchmark(
    model: str | None, name: str | None, option: str | None
) -> tuple[str | None, str | None]:
    """The model (None: the default) and the benchmark (None: the default) that a command line names.

    Args:
        model: the first argument; alone, it may also be the name or the folder of a benchmark.
        name: the second argument.
        option: `--benchmark`.

    Raises:
        InputError: two benchmarks are named, their order is wrong, or a name is both model and benchmark.
    """
    if name is not None and option is not None and name != option:
        raise InputError(f"two benchmarks are named, {name!r} and --benchmark {option!r}: leave one out")
    chosen = name if name is not None else option
    if model is None:
        return None, chosen
    is_model, is_benchmark = _is_model(model), _is_benchmark(model)
    if chosen is None:
        if is_model and is_benchmark:
            raise InputError(
                f"{model!r} is a benchmark and a model folder: write --benchmark {model} for the one, and name the "
                "benchmark as well for the other"
            )
        if not is_model and not is_benchmark:
            _check_spelling(model)
        return (None, model) if is_benchmark else (model, None)
    if is_benchmark and not is_model:
        if chosen == model:
            return None, chosen
        hint = f"write {chosen} {model}" if name is not None else "leave one out"
        raise InputError(
            f"{model!r} is a benchmark, where the model stands: the order is MODEL BENCHMARK, {hint}"
        )
    return model, chosen


def _is_model(name: str) -> bool:
    return isfile(Path(name) / "config.json") or isfile(Path(name) / "adapter_config.json")


def _is_benchmark(name: str) -> bool:
    from instructsam.evaluation.benchmarks.names import is_benchmark_name

    return is_benchmark_name(name) or isfile(Path(name) / "records.jsonl")


def _check_spelling(model: str) -> None:
    """Refuse what looks like a mistyped benchmark; else it would be searched for as a model."""
    from instructsam.evaluation.benchmarks.names import benchmark_names

    near = get_close_matches(model, benchmark_names(), n=1, cutoff=_CLOSE)
    if near and not Path(model).exists():
        raise InputError(
            f"{model!r} is neither a folder nor a benchmark; did you mean {near[0]!r}? For a model of that name on the "
            "hub, name the benchmark as well: MODEL BENCHMARK"
        )
