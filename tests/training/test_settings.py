from __future__ import annotations

from pathlib import Path

import pytest

from instructsam.config import build_config, dump_config, load_config, to_dict
from instructsam.errors import ConfigError
from instructsam.experiments.sources import check_source
from instructsam.training.settings import RunConfig
from instructsam.training.stage_table import STAGES
from instructsam.training.start import start_criterion
from instructsam.world.source import WorldSourceSettings


def test_a_run_is_read_from_yaml_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: small\nmodel: {preset: tiny, overrides: {num_queries: 6}}\n"
        "optim: {lr: 1e-3, betas: [0.9, 0.95], lr_multipliers: {vlm: 0.5}}\n"
        "loss: {overrides: {points: null, weights: {text: 0.5}, matcher: {dice: 3}}}\n"
    )
    config = load_config(RunConfig, path, ["data.world.short_sides=[96, 128]", "model.overrides.dropout=0.1"])
    assert config.folder == Path("runs/small")
    assert config.model.overrides == {"num_queries": 6, "dropout": 0.1}
    assert (config.optim.lr, config.optim.betas) == (1e-3, (0.9, 0.95))
    assert config.data.world == {"short_sides": [96, 128]}
    criterion = start_criterion(config.loss)
    assert criterion.config.weight("text") == 0.5
    assert criterion.config.weight("mask_bce") > 0
    assert criterion.config.matcher.dice == 3
    path.write_text(dump_config(config))
    assert load_config(RunConfig, path) == config


REFUSED = [  # (overrides, the key, what is expected there)
    ("seed=-1", "seed", "[0, 1000000000000000000]"),
    ("seed=1.5", "seed", "a whole number"),
    ("seed=1e30", "seed", "below 2**63"),
    ("threads=-1", "threads", "[0, 1024]"),
    ("stage=ears", "stage", "'vision', 'phrases', 'all'"),
    ("device=tpu", "device", "'auto', 'cpu'"),
    ("precision=int8", "precision", "'bfloat16'"),
    ("attention=flash", "attention", "'auto', 'sdpa', 'eager'"),
    ("name=", "name", "without separators"),
    ("name=..", "name", "without separators"),
    ("name=a/b", "name", "set output_dir"),
    ("name=" + "x" * 300, "name", "without separators"),
    ("optim.learning_rate=1", "optim.learning_rate", "unknown key"),
    ("optim.lr=-1", "optim.lr", "(0, 100]"),
    ("optim.lr=0", "optim.lr", "(0, 100]"),
    ("optim.lr=.nan", "optim.lr", "a finite number"),
    ("optim.lr=.inf", "optim.lr", "a finite number"),
    ("optim.muon_lr=-0.1", "optim.muon_lr", "[0, 100]"),
    ("optim.weight_decay=-1", "optim.weight_decay", "[0, 100]"),
    ("optim.betas=[1.0, 0.9]", "optim.betas[0]", "[0, 1)"),
    ("optim.betas=[0.9, -1]", "optim.betas[1]", "[0, 1)"),
    ("optim.betas=[0.9]", "optim.betas", "a list of 2 values"),
    ("optim.eps=0", "optim.eps", "(0, 1]"),
    ("optim.warmup_steps=-1", "optim.warmup_steps", "at least 0"),
    ("optim.warmup_steps=10001", "optim.warmup_steps", "at most schedule.total_steps (10000)"),
    ("optim.decay=step", "optim.decay", "'cosine'"),
    ("optim.tail=1.1", "optim.tail", "[0, 1]"),
    ("optim.tail=-0.1", "optim.tail", "[0, 1]"),
    ("optim.final_fraction=2", "optim.final_fraction", "[0, 1]"),
    ("optim.clip_norm=-1", "optim.clip_norm", "at least 0"),
    ("optim.ema_decay=1", "optim.ema_decay", "[0, 1)"),
    ("optim.lr_multipliers={vlm: -1}", "optim.lr_multipliers.vlm", "[0, 1000]"),
    ("data.images_per_batch=0", "data.images_per_batch", "[1, 4096]"),
    ("data.images_per_batch=1000000000", "data.images_per_batch", "[1, 4096]"),
    ("data.instructions_per_image=0", "data.instructions_per_image", "[1, 1000]"),
    ("data.world.short_sides=[]", "data.world.short_sides", "at least one size"),
    ("data.world.short_sides=[160, 31]", "data.world.short_sides[1]", "[32, 2048]"),
    ("data.world.short_sides=160", "data.world.short_sides", "a list"),
    ("data.world.min_objects=0", "data.world.min_objects", "[1, 14]"),
    ("data.world.max_objects=15", "data.world.max_objects", "[1, 14]"),
    ("data.world.min_objects=11", "data.world.min_objects", "at most data.world.max_objects (10)"),
    ("data.world.families=[spatial, colour]", "data.world.families", "some of category"),
    ("data.world.families=[spacial]", "data.world.families", "did you mean 'spatial'?"),
    ("data.world.families=[spatial, spatial]", "data.world.families", "every name once"),
    ("data.world.family_shares={relation: 2}", "data.world.family_shares", "some of category"),
    ("data.world.family_shares={spatial: -1}", "data.world.family_shares.spatial", "at least 0"),
    ("data.world.layouts=[heap]", "data.world.layouts", "piles"),
    ("data.world.nouns={verbs: 0}", "data.world.nouns", "colors, kinds, all"),
    ("data.world.nouns={colors: -1}", "data.world.nouns.colors", "at least 0"),
    ("data.world.nouns={kinds: 5}", "data.world.nouns", "the level of batch 0"),
    ("data.direct_fraction=1.5", "data.direct_fraction", "[0, 1]"),
    ("data.world.invented_words=-0.5", "data.world.invented_words", "[0, 1]"),
    ("data.color_jitter=1", "data.color_jitter", "[0, 0.9]"),
    ("data.workers=-1", "data.workers", "[0, 256]"),
    ("data.prefetch=0", "data.prefetch", "[1, 1024]"),
    ("data.world.captions=maybe", "data.world.captions", "true or false"),
    ("loss.objectives.dense_classes=-1", "loss.objectives.dense_classes", "[0, 1000000]"),
    ("loss.objectives.query_readout=-1", "loss.objectives.query_readout", "[0, 1000000]"),
    ("loss.objectives.denoising=-1", "loss.objectives.denoising", "[0, 1000000]"),
    ("loss.objectives.reading=1", "loss.objectives", "query_readout"),
    ("stage=phrases & loss.objectives.query_readout=1", "loss.objectives", "stage phrases"),
    ("loss.objectives.segmentation=0", "loss.objectives", "nothing to train on in stage all"),
    ("loss.denoising_groups=0", "loss.denoising_groups", "[1, 100]"),
    ("loss.detected_fraction=0", "loss.detected_fraction", "(0, 1]"),
    ("loss.detected_fraction=0.5", "loss.detected_fraction", "loss.objectives.query_readout above 0"),
    ("loss.preset=mine", "loss.preset", "'published'"),
    ("stage=vision & loss.objectives.dense_classes=0", "loss.objectives", "dense_classes a weight above 0"),
    ("schedule.total_steps=0", "schedule.total_steps", "[1, 1000000000]"),
    ("schedule.max_minutes=-1", "schedule.max_minutes", "at least 0"),
    ("schedule.checkpoint_minutes=-1", "schedule.checkpoint_minutes", "at least 0"),
    ("schedule.keep_checkpoints=0", "schedule.keep_checkpoints", "[1, 1000000]"),
    ("schedule.log_seconds=-1", "schedule.log_seconds", "at least 0"),
    ("schedule.export_dtype=int8", "schedule.export_dtype", "'float16'"),
    ("model.vocab_size=10", "model.vocab_size", "[300, 1000000]"),
    ("model.tokenizer_texts=0", "model.tokenizer_texts", "[1, 1000000]"),
    ("model.path=a & model.init_from=b", "model.path", "give one of them"),
    ("model.path=a & model.overrides={heads: 2}", "model.path", "remove them"),
    ("model.path=a & model.extend_tokenizer=-1", "model.extend_tokenizer", "[0, 1000000]"),
    ("model.extend_tokenizer=999", "model.extend_tokenizer", "set model.path too"),
    (
        "model.path=a & model.extend_tokenizer=999 & lora.rank=4 & lora.merge_on_export=false",
        "an adapter",
        "=true",
    ),
    ("model.reinitialize=[lm_head]", "model.reinitialize", "set model.init_from too"),
    ("model.init_from=a & model.reinitialize=['']", "model.reinitialize", "an empty one"),
]


@pytest.mark.parametrize(("overrides", "key", "expected"), REFUSED, ids=[row[0][:40] for row in REFUSED])
def test_a_wrong_value_is_named_with_what_is_expected(overrides: str, key: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_source(load_config(RunConfig, None, overrides.split(" & ")).data)
    message = str(caught.value)
    assert message.startswith((f"{key} ", f"unknown key {key}")), message
    assert expected in message
    assert "\n" not in message


RENAMED = {  # as they were in the first version
    "model": ("take_from", "fresh", "recipe"),
    "data": (
        "scenes_per_batch", "instructions_per_scene", "light", "short_sides", "min_objects", "max_objects",
        "families", "family_shares", "nouns", "layouts", "invented_words", "captions",
    ),
    "loss": ("perception", "reading", "denoising", "detected"),
}  # fmt: skip


@pytest.mark.parametrize(("group", "old"), [(group, old) for group, keys in RENAMED.items() for old in keys])
def test_a_key_of_an_earlier_version_is_refused_with_its_present_name(group: str, old: str) -> None:
    with pytest.raises(
        ConfigError, match=f"^old.yaml: unknown key {group}.{old}; it is now {group}."
    ) as caught:
        build_config(RunConfig, {group: {old: 1}}, "old.yaml")
    known = {
        f"{one}.{name}" for one, values in to_dict(RunConfig()).items() if one in RENAMED for name in values
    }
    known |= {f"data.world.{name}" for name in WorldSourceSettings.model_fields}
    known |= {f"loss.objectives.{name}" for name in STAGES["all"].objectives}
    assert str(caught.value).rpartition(" ")[2] in known


def test_the_default_warmup_fits_a_short_run() -> None:
    config = load_config(RunConfig, None, ["schedule.total_steps=4"])
    assert config.optim.warmup(4) == 4
    assert config.optim.warmup(10_000) == 200


def test_factors_on_families_are_read_and_checked() -> None:
    config = load_config(RunConfig, None, ["data.world.family_shares={spatial: 2, comparison: 2.0}"])
    settings = build_config(WorldSourceSettings, config.data.world)
    assert settings.family_shares == {"spatial": 2.0, "comparison": 2.0}
    with pytest.raises(ConfigError, match="must leave at least one family"):
        WorldSourceSettings(families=("spatial",), family_shares={"spatial": 0.0})
