"""The protocol between the routes and the models. Routes know nothing else of the models; no web framework here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instructsam.inference.jobs import ImageJob
    from instructsam.serving.statistics import ServiceStatistics
    from instructsam.structures.predictions import Prediction


@dataclass(frozen=True)
class ServedModel:
    """Facts about a served model, for `/v1/models`.

    Attributes:
        name: that requests use.
        fingerprint: of its weights; empty while it loads.
        default_mode: "generate" or "direct".
        score_threshold: its default.
        num_queries: instances that it can return per phrase; None without a limit.
        facts: others, such as parameters, device, dtype.
        problem: the reason why it could not be loaded; not for clients.
    """

    name: str
    fingerprint: str = ""
    default_mode: str = ""
    score_threshold: float = 0.0
    num_queries: int | None = None
    facts: Mapping[str, str] | None = None
    problem: str = ""


class Service(Protocol):
    """Models behind a queue."""

    @property
    def ready(self) -> bool:
        """Whether every model is loaded and warm."""
        ...

    def models(self) -> tuple[ServedModel, ...]:
        """The served models, the one that requests use by default first; also while they load."""
        ...

    async def segment(
        self, job: ImageJob, model: str | None = None, seconds: float | None = None
    ) -> list[Prediction]:
        """The predictions of a job, in order; cancelled with its task.

        Args:
            job: what to segment.
            model: its name; None for the default one.
            seconds: time limit; None for the one of the settings.

        Raises:
            InputError: the job cannot be answered.
            UnknownModelError: there is no such model.
            BusyError: the queue is full, or the models are not ready or are stopping.
            TimeLimitError: the time limit was reached.
        """
        ...

    async def start(self) -> None:
        """Begin to load the models, in the background."""
        ...

    async def stop(self, seconds: float = 30.0) -> None:
        """Refuse new jobs, finish those that run, free the models."""
        ...


@runtime_checkable
class ObservedService(Protocol):
    """A service with counts; check with `isinstance`, since a service may have none."""

    def statistics(self) -> ServiceStatistics:
        """The counts at this moment."""
        ...
