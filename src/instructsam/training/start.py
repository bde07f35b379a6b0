"""The start of a run: a new or a saved model with its processor, and the criterion."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instructsam.checkpoints.adapted import load_adapted
from instructsam.checkpoints.adapters import is_adapter
from instructsam.checkpoints.processors import load_processor
from instructsam.checkpoints.resolve import DEFAULT_FOLDER, local_folder, resolve
from instructsam.errors import ConfigError
from instructsam.losses.criterion import Criterion, CriterionConfig
from instructsam.model.initialization import build_small
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.presets import get_preset, preset_config
from instructsam.model.vlm.registry import VLMS
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.settings import ProcessorSettings
from instructsam.processing.tokenizer_files import load_tokenizer
from instructsam.processing.tokens import TokenIds, train_tokenizer
from instructsam.processing.vocabulary import extend_tokenizer, extensible
from instructsam.training.export import export_of, require_current
from instructsam.training.settings import LossSettings, ModelSettings, RunConfig
from instructsam.training.stage_table import STAGES
from instructsam.training.state_tensors import model_tensors

DEFAULT_NAME = "default"


def check_start(config: RunConfig, made_before: Collection[Path] = ()) -> Criterion:
    """Refuse what the configuration alone shows to be impossible, before anything is loaded; the run's criterion.

    Args:
        config: of the run.
        made_before: models to start from that earlier stages of the same command will have trained.

    Raises:
        ConfigError: the size preset, the loss or their combination is impossible, the model to start from is stale, or
            its tokenizer cannot grow as `model.extend_tokenizer` says.
        CheckpointError: there is no model to start from.
    """
    settings = config.model
    for key, given in (("model.path", settings.path), ("model.init_from", settings.init_from)):
        name = model_name(given)
        if name and export_of(Path(name)) not in map(export_of, made_before):
            require_current(name, key)
            folder = local_folder(name)
            if settings.extend_tokenizer and folder is not None and not is_adapter(folder):
                extensible(load_tokenizer(folder), settings.extend_tokenizer)
    if not settings.path:
        ids = dict.fromkeys(("image", "video", "vision_start", "vision_end"), 0)
        preset_config(get_preset(settings.preset, settings.overrides), settings.vocab_size, ids)
    criterion = start_criterion(config.loss)
    stage = STAGES[config.stage]
    weights = {name for name, weight in criterion.config.weights.items() if weight}
    if stage.forward == "detector":
        weights.discard("text")  # no language model runs
    if not weights and set(stage.weights(config.loss.objectives)) <= {"segmentation"}:
        raise ConfigError(
            f"loss.overrides.weights leave nothing to train on in stage {config.stage}: set one of them above 0"
        )
    return criterion


def model_name(name: str) -> str:
    """A folder or hub id for a name in the settings; "default" is the shipped model."""
    return str(DEFAULT_FOLDER) if name == DEFAULT_NAME else name


def start_model(
    settings: ModelSettings,
    texts: Callable[[int], Iterator[str]],
    attention: str = "sdpa",
    phrases: Callable[[], Iterable[str]] = tuple,
) -> tuple[InstructSAMModel, InstructSAMProcessor]:
    """The model to train, in float32, and its processor.

    Args:
        settings: where it comes from.
        texts: at most so many texts, to train the tokenizer of a new model on (`SampleSource.texts`).
        attention: kernel of every attention layer.
        phrases: whose words the word list gets, if the model to start from has one (`SampleSource.phrases`).

    Raises:
        ConfigError: the size preset or one of its overrides is unknown, or no tensor of `settings.init_from` fits.
        CheckpointError: `settings.path` or `settings.init_from` holds no usable model.
    """
    if settings.path:
        model, processor = open_model(Path(model_name(settings.path)), attention)
        if settings.extend_tokenizer:
            processor = extend_vocabulary(
                model, processor, texts(settings.tokenizer_texts), settings.extend_tokenizer
            )
        return model, extend_words(processor, phrases)
    preset = get_preset(settings.preset, settings.overrides)
    donor, words = None, None
    if settings.init_from:
        donor, its_processor = open_model(Path(model_name(settings.init_from)), attention)
        tokenizer, vocab_size = its_processor.tokenizer, donor.lm_head.weight.shape[0]
        words = its_processor.words
    else:
        tokenizer = train_tokenizer(texts(settings.tokenizer_texts), settings.vocab_size, VLMS[preset.vlm])
        vocab_size = len(tokenizer)
    token_ids = TokenIds.from_tokenizer(tokenizer, VLMS[preset.vlm]).as_dict()
    config = preset_config(preset, vocab_size, token_ids)
    model = build_small(preset, config, attention)
    if donor is not None:
        for line in initialize_from(model, donor, settings.init_from, settings.reinitialize):
            logging.getLogger(__name__).warning("%s", line)
    processor = InstructSAMProcessor(tokenizer, ProcessorSettings.from_config(config), words)
    return model, extend_words(processor, phrases)


def extend_words(
    processor: InstructSAMProcessor, phrases: Callable[[], Iterable[str]]
) -> InstructSAMProcessor:
    """The processor with the words of the phrases in its word list; unchanged if it has none."""
    if processor.words is None:
        return processor
    return processor.with_words(
        processor.words.union(word for phrase in phrases() for word in phrase.split())
    )


@torch.no_grad()
def extend_vocabulary(
    model: InstructSAMModel, processor: InstructSAMProcessor, texts: Iterable[str], vocab_size: int
) -> InstructSAMProcessor:
    """Grow the tokenizer and, in place, the model's token tables; a new row is the mean of the rows it replaces.

    Returns:
        The processor with the tokenizer that has grown.

    Raises:
        ConfigError: as `extend_tokenizer`.
    """
    tokenizer: Any = processor.tokenizer
    replaced = extend_tokenizer(tokenizer, texts, vocab_size)
    rows = [replaced.get(token, [token]) for token in range(len(tokenizer))]
    embeddings = model.get_input_embeddings()
    grown: dict[Tensor, torch.nn.Parameter] = {}
    for table in (embeddings, model.lm_head):
        old = table.weight
        if old not in grown:  # tied tables stay one
            grown[old] = torch.nn.Parameter(torch.stack([old[row].mean(0) for row in rows]))
        table.weight = grown[old]
    embeddings.num_embeddings = model.lm_head.out_features = len(tokenizer)
    family = VLMS[model.config.vlm_config.model_type]
    ids = TokenIds.from_tokenizer(tokenizer, family).as_dict()
    model.config.token_ids = ids
    text_config = model.config.vlm_config.get_text_config()
    text_config.vocab_size = len(tokenizer)
    if text_config.pad_token_id is not None:  # whose row gets no gradients
        text_config.pad_token_id = embeddings.padding_idx = ids["pad"]
    for name, number in ids.items():
        if hasattr(model.config.vlm_config, f"{name}_token_id"):
            setattr(model.config.vlm_config, f"{name}_token_id", number)
    return InstructSAMProcessor(tokenizer, processor.settings, processor.words)


@torch.no_grad()
def initialize_from(
    model: InstructSAMModel, donor: InstructSAMModel, name: str, reinitialize: Sequence[str] = ()
) -> list[str]:
    """Copy every tensor of the donor that has the same name and shape.

    Tensors whose names start with one of `reinitialize` are left as they are. Levels of the detector's neck are matched
    by their scale, not by their number: with another `mask_stages` the same number stands for another level.

    Returns:
        Lines for the log: how many tensors were copied, and the names of the others of both models.

    Raises:
        ConfigError: nothing fits, or one of `reinitialize` begins no name.
    """
    ours, theirs = model_tensors(model), model_tensors(donor)
    for prefix in reinitialize:
        if not any(key.startswith(prefix) for key in ours):
            raise ConfigError(
                f"model.reinitialize: no tensor starts with {prefix!r}; the first parts are "
                f"{', '.join(sorted({key.split('.')[0] for key in ours}))}"
            )
    theirs = _levels_by_scale(theirs, _level_scales(donor), _level_scales(model))
    theirs = {key: tensor for key, tensor in theirs.items() if not key.startswith(tuple(reinitialize))}
    fitting = [key for key, tensor in ours.items() if key in theirs and theirs[key].shape == tensor.shape]
    if not fitting:
        raise ConfigError(
            f"no tensor of {name} fits this size preset: give model.init_from a model of its sizes"
        )
    for key in fitting:
        ours[key].copy_(theirs[key])
    other = [
        f"{key} {tuple(theirs[key].shape)} -> {tuple(tensor.shape)}"
        for key, tensor in ours.items()
        if key in theirs and key not in fitting
    ]
    groups = {
        "keep their random initialization: the shapes differ": other,
        f"keep their random initialization: {name} has no such tensor": sorted(ours.keys() - theirs.keys()),
        f"of {name} are not used": sorted(theirs.keys() - ours.keys()),
    }
    lines = [f"{len(fitting)} of {len(ours)} tensors initialized from {name}"]
    return lines + [f"{len(keys)} {text}: {', '.join(keys)}" for text, keys in groups.items() if keys]


def _level_scales(model: InstructSAMModel) -> dict[str, float]:
    """Name prefix of the tensors of each level of the detector's neck -> its scale relative to the token grid."""
    scales = model.detector.level_scales(model.config.detector_config)
    return {f"detector.{prefix}": scale for prefix, scale in scales.items()}


def _levels_by_scale(
    tensors: dict[str, Tensor], theirs: dict[str, float], ours: dict[str, float]
) -> dict[str, Tensor]:
    """Tensors by name, with the names of neck levels changed from the donor's to ours of the same scale.

    A level whose scale this model does not have is named by its scale, so that it counts as not used.
    """
    places = {scale: prefix for prefix, scale in ours.items()}
    renamed = {}
    for name, tensor in tensors.items():
        for prefix, scale in theirs.items():
            if name.startswith(prefix):
                place = places.get(scale, f"{prefix.rstrip('.0123456789')}.scale_{scale:g}.")
                name = place + name.removeprefix(prefix)
                break
        renamed[name] = tensor
    return renamed


def open_model(folder: Path, attention: str = "sdpa") -> tuple[InstructSAMModel, InstructSAMProcessor]:
    """A saved model in float32 and its processor, of a folder in either layout, or an adapter merged into its base.

    Raises:
        CheckpointError: the folder holds no usable model, or a tokenizer or sizes of another one.
    """
    folder = resolve(folder)
    model, base = load_adapted(folder, torch.float32, attention)
    processor = load_processor(base, folder)
    model.config.token_ids = processor.token_ids.as_dict()
    return model, processor


def start_criterion(settings: LossSettings) -> Criterion:
    """The criterion of a preset with some fields changed.

    Raises:
        ConfigError: an override names no field or holds a wrong value.
    """
    return Criterion(CriterionConfig.preset(settings.preset, settings.overrides, "loss.overrides."))
