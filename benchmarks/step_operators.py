"""Operator calls, kernels and synchronizations of a training step by its parts, counted on any device.

Two modes of torch see every call. The dispatch mode sees operators below autograd, those of the backward pass too:
an operator that is not a view is counted as a kernel. The function mode sees calls from Python that wait for a device.

On a CPU nothing waits, so tensors that would be on the device are marked: the model's parameters, everything that
`Tensor.to(device)` or a factory with `device=` makes, and everything computed from these. A synchronization is a value
of a marked tensor that Python needs, an operator whose output shape depends on one, or a blocking copy to the device.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

OTHER = "other"
# operators that return a value to Python, or an output of a size that depends on values
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal")
NOT_A_KERNEL = (
    "detach",
    "lift_fresh",
    "sym_size",
    "empty",
    "new_empty",
    "empty_like",
    "empty_strided",
    "_unsafe_view",
)


class StepOperators:
    """Counts inside `watched`; `part` names the part of the step that runs.

    Attributes:
        calls: operators of each part.
        kernels: of those, the ones that launch a kernel on a GPU.
        backward: kernels of the backward pass by the part of their forward pass.
        seconds: CPU time of each part, without the parts inside; the modes multiply it, so measure outside `watched`.
        synchronizations: (part, place in the source, operator) -> how often.
    """

    def __init__(self, device_tensors: Iterable[Tensor]) -> None:
        self.calls: Counter[str] = Counter()
        self.kernels: Counter[str] = Counter()
        self.backward: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self._since = time.process_time()
        self.synchronizations: Counter[tuple[str, str, str]] = Counter()
        self._parts = [OTHER]
        self._marked: dict[int, StorageWeakRef] = {}
        self._sequence: list[tuple[int, str]] = []
        for tensor in device_tensors:
            self.mark(tensor)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Inside, operators count for this part."""
        self._enter(name)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, name: str) -> None:
        self._note_time()
        self._parts.append(name)
        self._note_sequence()

    def _leave(self) -> None:
        self._note_time()
        self._parts.pop()
        self._note_sequence()

    def _note_time(self) -> None:
        now = time.process_time()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now

    def _note_sequence(self) -> None:
        """Nodes of the backward graph are numbered: remember which part makes those from here on."""
        self._sequence.append((torch.autograd._get_sequence_nr(), self._parts[-1]))

    def hook(self, module: nn.Module, name: str) -> None:
        """Let a module's forward pass count for a part."""
        module.register_forward_pre_hook(lambda *_: self._enter(name))
        module.register_forward_hook(lambda *_: self._leave(), always_call=True)

    def wrapped(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function whose calls count for a part."""

        def call(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return function(*arguments, **options)

        return call

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, everything is counted."""
        with _Functions(self), _Operators(self):
            yield

    def mark(self, tensor: Tensor) -> None:
        """This tensor would be on the device."""
        storage = tensor.untyped_storage()
        self._marked[storage._cdata] = StorageWeakRef(storage)

    def unmark(self, tensor: Tensor) -> None:
        """This tensor is a copy on the host."""
        self._marked.pop(tensor.untyped_storage()._cdata, None)

    def on_device(self, tensor: Tensor) -> bool:
        """Whether a tensor is on the device, or would be."""
        return tensor.device.type != "cpu" or tensor.untyped_storage()._cdata in self._marked

    def synchronized(self, operator: str) -> None:
        """Note one, with the place in the project's source."""
        self.synchronizations[self._parts[-1], _place(sys._getframe(1)), operator] += 1

    def operator(self, function: Any) -> None:
        """Count one."""
        part, name = self._parts[-1], function.overloadpacket.__name__
        self.calls[part] += 1
        if function.is_view or name in NOT_A_KERNEL:
            return
        self.kernels[part] += 1
        node = torch._C._current_autograd_node()
        if node is not None:
            self.backward[self._part_of(node._sequence_nr())] += 1

    def _part_of(self, sequence: int) -> str:
        """The part whose forward pass made a node; accumulation into gradients has the highest numbers."""
        found = OTHER
        for first, part in self._sequence:
            if first > sequence:
                break
            found = part
        return found


class _Operators(TorchDispatchMode):
    def __init__(self, counts: StepOperators) -> None:
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        counts = self.counts
        counts.operator(func)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        marked = any(counts.on_device(tensor) for tensor in given)
        name = func.overloadpacket.__name__
        boolean = name.startswith("index") and any(tensor.dtype == torch.bool for tensor in given[1:2])
        if marked and (name in WAITING or boolean):
            counts.synchronized(name)
        result = func(*args, **(kwargs or {}))
        if marked:
            for leaf in tree_leaves(result):
                if isinstance(leaf, Tensor):
                    counts.mark(leaf)
        return result


class _Functions(TorchFunctionMode):
    def __init__(self, counts: StepOperators) -> None:
        super().__init__()
        self.counts = counts

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        counts = self.counts
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if first is not None and name in ("cpu", "numpy", "tolist") and counts.on_device(first):
            counts.synchronized(name)
            result = func(first.detach().clone() if name == "cpu" else first, *args[1:], **options)
            if name == "cpu":
                counts.unmark(result)
            return result
        moved = [value for value in (*args[1:], options.get("device")) if isinstance(value, torch.device)]
        if name == "to" and first is not None and moved and not counts.on_device(first):
            if not options.get("non_blocking"):
                counts.synchronized("to(device), blocking")
            copied = func(*args, **options)
            copied = copied.clone() if copied is first else copied
            counts.mark(copied)
            return copied
        result = func(*args, **options)
        if isinstance(options.get("device"), torch.device) and isinstance(result, Tensor):
            if name in ("tensor", "as_tensor") and not isinstance(args[0], Tensor):
                counts.synchronized(f"{name}(device=)")
            counts.mark(result)
        return result


def _place(frame: FrameType | None) -> str:
    """The innermost line of the project or of transformers that is being run."""
    here = Path(__file__).name
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        parts = path.parts
        if path.name != here and ("instructsam" in parts or "transformers" in parts or "accelerate" in parts):
            return f"{path.parent.name}/{path.name}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"
