"""The validations of a run: the averaged model is scored, and the best one kept in `best/`."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable

from safetensors import SafetensorError

from instructsam.structures.checks import parse_json
from instructsam.structures.files import write_json
from instructsam.structures.saving import save_image
from instructsam.training import checkpointing
from instructsam.training.export import BEST, discard_export, publish
from instructsam.training.processes import Processes
from instructsam.training.progress import ProgressLog
from instructsam.training.random_state import random_state, set_random_state
from instructsam.training.run_state import RunState
from instructsam.training.settings import RunConfig
from instructsam.training.trackers import log_pictures
from instructsam.training.validation import Standing, Validate, ValidationResult, log_lines, standing_of

CANDIDATE = ".candidate"  # the model that is being scored
PICTURES = "validation"  # folder of example pictures
RESULT_FILE = "validation.json"
NONE = -1  # the step of no model
VALIDATIONS = 10  # of a run whose settings do not say how many


class _StopRequestedError(Exception):
    """A signal came while a model was being scored."""


class Validation:
    """Scores the model of a run from time to time.

    Args:
        config: of the run, with its length in steps.
        validate: scores a model folder; None without validation.
        state: of the run.
        log: of the run.
        processes: of the run; the main one scores, the others wait.
    """

    def __init__(
        self,
        config: RunConfig,
        validate: Validate | None,
        state: RunState,
        log: ProgressLog,
        processes: Processes,
    ) -> None:
        self.config, self.validate = config, validate
        self.state, self.log, self.processes = state, log, processes
        self.standing = Standing()
        total = config.schedule.total_steps
        self.every = config.validation.every_steps or math.ceil(total / VALIDATIONS)

    def start(self, stopping: Callable[[], bool]) -> bool:
        """Score a model that a run starts from, and what an earlier process left unscored.

        Returns:
            Whether the run is to stop.
        """
        if self.validate is None:
            return False
        discard_export(self.config.folder / BEST)
        self._discard_candidate()
        lines = log_lines(self.log.path)
        validate = self.validate
        standing = standing_of(lines, validate.metric, validate.lower_is_better, validate.name)
        kept = self._kept_step()
        if (
            standing.best_step is not None
            and kept <= self.state.step
            and kept not in (NONE, standing.best_step)
        ):
            # best/ was chosen by another metric or mode: the scores until now are of models that are gone
            standing = Standing(standing.steps)
        self.standing = standing
        if self.standing.gives_up(self.config.validation.patience):
            self.log.say(f"{self._patience()}: raise validation.patience to continue")
            return True
        step = self.state.step
        owed = step not in self.standing.steps and (self._due(step) if step else bool(self.config.model.path))
        return self._run(stopping) if self.processes.any(owed) else False

    def _kept_step(self) -> int:
        """The step of the model in `best/`."""
        path = self.config.folder / BEST / RESULT_FILE
        if not path.is_file():
            return NONE
        stored = parse_json(path.read_bytes(), str(path))
        step = stored.get("step") if isinstance(stored, dict) else None
        return step if isinstance(step, int) else NONE

    def after_step(self, stopping: Callable[[], bool]) -> bool:
        """Score the model where it is due; whether the run is to stop."""
        if self.validate is None or not self._due(self.state.step):
            return False
        return self._run(stopping)

    def _discard_candidate(self) -> None:
        """Remove the model that was scored, or the part of it that fitted on the disk."""
        discard_export(self.config.folder / CANDIDATE)
        shutil.rmtree(self.config.folder / CANDIDATE, ignore_errors=True)

    def _due(self, step: int) -> bool:
        return step % self.every == 0 or step == self.config.schedule.total_steps

    def _run(self, stopping: Callable[[], bool]) -> bool:
        stop = False
        with self.state.whole_weights():  # every process takes part
            if self.processes.is_main and self.validate is not None:
                rng = random_state()
                try:
                    stop = self._score(self.validate, stopping)
                except (OSError, SafetensorError) as error:
                    raise checkpointing.unwritable(self.state.checkpoints, self.state.step, error) from error
                finally:
                    self._discard_candidate()
                    set_random_state(rng)
            return self.processes.any(stop)

    def _score(self, validate: Validate, stopping: Callable[[], bool]) -> bool:
        """Score the averaged model, keep it if it is the best one; whether the run is to stop."""

        def check() -> None:
            if stopping():
                raise _StopRequestedError

        state, folder = self.state, self.config.folder
        record = {"step": state.step, "trained_parts": list(state.trained_parts)}
        candidate = state.write_model(folder / CANDIDATE, record)
        try:
            result = validate(candidate, check)
        except _StopRequestedError:
            return True
        value = result.metrics[validate.metric]
        better = self.standing.is_better(value, validate.lower_is_better)
        if better:
            write_json(candidate / RESULT_FILE, {"step": state.step, "on": validate.name, **result.metrics})
            publish(candidate, folder / BEST)
        self.standing = self.standing.after(state.step, value, validate.lower_is_better)
        stop = self.standing.gives_up(self.config.validation.patience)
        stop = stop and state.step < self.config.schedule.total_steps
        self.log.write_validation(state.step, state.seconds, validate.name, result.metrics, stop)
        self.log.say(self._line(validate, value))
        self._show(result)
        self.log.start(state.step, state.instructions)  # the time of a validation is not that of its steps
        if stop:
            self.log.say(self._patience())
        return stop

    def _show(self, result: ValidationResult) -> None:
        """Write the example pictures, over those of the validation before, and send all to the trackers."""
        state, folder = self.state, self.config.folder / PICTURES
        accelerator = self.processes.accelerator
        numbers = {f"validation/{key}": value for key, value in result.metrics.items() if value is not None}
        accelerator.log(numbers, state.step)
        if result.pictures:
            folder.mkdir(exist_ok=True)
        paths = {}
        for name, picture in result.pictures.items():
            paths[name] = save_image(picture.copy, folder / f"{name}.png")
        log_pictures(accelerator, paths, state.step)

    def _line(self, validate: Validate, value: float | None) -> str:
        shown = "undefined" if value is None else f"{value:.4f}"
        standing = self.standing
        if standing.best_step == self.state.step:
            verdict = f"the best so far, kept in {self.config.folder / BEST}"
        elif standing.best is None:
            verdict = "no best yet"
        else:
            verdict = f"best {standing.best:.4f} at step {standing.best_step}"
            if self.config.validation.patience:
                verdict += (
                    f", {standing.without_better} of {self.config.validation.patience} without a better one"
                )
        return f"validation at step {self.state.step} on {validate.name}: {validate.title} {shown}; {verdict}"

    def _patience(self) -> str:
        return (
            f"stopped early at step {self.state.step}: {self.standing.without_better} validations in a row were not "
            f"better than that of step {self.standing.best_step}"
        )
