"""A new model is initialized from the tensors of a trained one that fit, and the log lists the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instructsam.config import load_config
from instructsam.data.sample import relative_boxes_cxcywh
from instructsam.errors import CheckpointError, ConfigError
from instructsam.inference.segmenter import Segmenter
from instructsam.losses.targets import resize_masks
from instructsam.model.variants.token_per_instance import TokenPerInstance
from instructsam.processing.settings import ProcessorSettings
from instructsam.training.batch import OutputSizes
from instructsam.training.collate import collate
from instructsam.training.plan import meta_model
from instructsam.training.settings import ModelSettings, RunConfig
from instructsam.training.start import check_start, initialize_from, open_model, start_model
from instructsam.world.source import training_sample
from instructsam.world.splits.stream import WorldSettings, all_texts, world_sample
from tests.published import publish
from tests.tiny import tiny_pair
from tests.training.conftest import run, tiny

SCENE = WorldSettings(short_sides=(64,), instructions_per_scene=6, min_objects=5, nouns="colors")


def test_fitting_tensors_are_copied_and_the_others_listed() -> None:
    model, _ = tiny_pair(seed=1, num_queries=2, projectors=False)
    donor, _ = tiny_pair(seed=2)
    queries = model.instance_queries.weight.clone()
    lines = initialize_from(model, donor, "donor")
    assert torch.equal(model.lm_head.weight, donor.lm_head.weight)
    assert torch.equal(model.instance_queries.weight, queries)
    shape, unused = lines[1:]
    assert lines[0].endswith("tensors initialized from donor")
    assert shape.startswith("2 keep their random initialization: the shapes differ: ")
    assert "instance_queries.weight (4, 32) -> (2, 32)" in shape
    assert "detector.detr_decoder.reference_points.weight (4, 4) -> (2, 4)" in shape
    assert unused.startswith("8 of donor are not used: phrase_projector.0.bias")
    back = initialize_from(donor, model, "back")
    start = "8 keep their random initialization: back has no such tensor: phrase_projector"
    assert any(line.startswith(start) for line in back)


def test_reinitialized_tensors_are_not_copied() -> None:
    model, _ = tiny_pair(seed=1)
    donor, _ = tiny_pair(seed=2)
    queries = model.instance_queries.weight.clone()
    lines = initialize_from(model, donor, "donor", ("instance_queries",))
    assert torch.equal(model.instance_queries.weight, queries)
    assert torch.equal(model.lm_head.weight, donor.lm_head.weight)
    assert any("instance_queries.weight" in line and "random initialization" in line for line in lines)
    with pytest.raises(ConfigError, match="no tensor starts with 'instance_query'"):
        initialize_from(model, donor, "donor", ("instance_query",))


@pytest.mark.parametrize(("ours", "theirs"), [(2, 1), (1, 2)])
def test_neck_levels_are_matched_by_scale(ours: int, theirs: int) -> None:
    model, _ = tiny_pair(seed=1, mask_stages=ours)
    donor, _ = tiny_pair(seed=2, mask_stages=theirs)
    finest = model.detector.vision_encoder.neck.fpn_layers[0].proj1.weight.clone()
    lines = initialize_from(model, donor, "donor")
    levels, donated = (one.detector.vision_encoder.neck.fpn_layers for one in (model, donor))
    scales, donated_scales = (
        list(one.config.detector_config.vision_config.scale_factors) for one in (model, donor)
    )
    for scale in (2.0, 1.0, 0.5):
        level, given = levels[scales.index(scale)], donated[donated_scales.index(scale)]
        for name, tensor in given.state_dict().items():
            assert torch.equal(level.state_dict()[name], tensor), (scale, name)
    if ours > theirs:  # the new finest level has no donor
        assert torch.equal(levels[0].proj1.weight, finest)
        assert any("random initialization" in line and "fpn_layers.0.proj1.weight" in line for line in lines)
    else:
        assert any("not used" in line and "fpn_layers.scale_4.proj1.weight" in line for line in lines)


def test_a_donor_gives_its_tokenizer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, processor = tiny_pair()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    settings = ModelSettings(preset="tiny", init_from=str(tmp_path), overrides={"num_queries": 1})
    fresh, its_processor = start_model(settings, all_texts)
    assert its_processor.token_ids == processor.token_ids
    assert its_processor.settings.num_queries == 1
    assert torch.equal(fresh.lm_head.weight, model.lm_head.weight)
    assert "keep their random initialization" in caplog.text
    with pytest.raises(ConfigError, match="give one"):
        start_model(ModelSettings(path=str(tmp_path), init_from=str(tmp_path)), all_texts)


@pytest.mark.parametrize("vlm", ["qwen3_vl", "smolvlm"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_grown_model_keeps_tied_tables_and_a_padding_token(tmp_path: Path, vlm: str, tied: bool) -> None:
    model, processor = tiny_pair(vlm=vlm, tie_embeddings=tied)
    Segmenter(model, processor).save(tmp_path)
    settings = ModelSettings(path=str(tmp_path), extend_tokenizer=430)
    grown, new = start_model(settings, lambda count: iter(["fetch the Honeycrisp apples"] * 4))
    Segmenter(grown, new).save(tmp_path / "grown")
    loaded, _ = open_model(tmp_path / "grown")
    for one in (grown, loaded):
        table = one.get_input_embeddings()
        assert (table.weight is one.lm_head.weight) is tied
        assert table.weight.equal(grown.get_input_embeddings().weight)
        assert table.padding_idx in (None, new.token_ids.pad)


def test_a_size_that_a_tokenizer_cannot_grow_to_is_refused_before_the_run(tmp_path: Path) -> None:
    model, processor = tiny_pair()
    Segmenter(model, processor).save(tmp_path)
    size = len(processor.tokenizer.get_vocab())
    for wanted in (300, size):
        config = load_config(RunConfig, None, [f"model.path={tmp_path}", f"model.extend_tokenizer={wanted}"])
        with pytest.raises(ConfigError, match=f"must be above the tokenizer's {size} tokens, got {wanted}"):
            check_start(config)
    planned = meta_model(ModelSettings(path=str(tmp_path), extend_tokenizer=size + 9))
    assert planned.lm_head.weight.shape[0] == size + 9


def test_the_word_list_gets_the_words_of_the_data(tmp_path: Path) -> None:
    """A model that is trained on other phrases must be able to write them; one without a list gets none."""
    model, processor = tiny_pair()
    Segmenter(model, processor.with_words(["mug"])).save(tmp_path)
    phrases = ("safety helmet", "left man's mug")
    for settings in (
        ModelSettings(path=str(tmp_path)),
        ModelSettings(preset="tiny", init_from=str(tmp_path)),
        ModelSettings(path=str(tmp_path), extend_tokenizer=len(processor.tokenizer.get_vocab()) + 1),
    ):
        _, its_processor = start_model(settings, all_texts, phrases=lambda: phrases)
        assert its_processor.words == frozenset({"mug", "safety", "helmet", "left", "man's"})
    Segmenter(model, processor).save(tmp_path)
    _, its_processor = start_model(ModelSettings(path=str(tmp_path)), all_texts, phrases=lambda: phrases)
    assert its_processor.words is None


def test_one_block_per_instance_from_left_to_right() -> None:
    model, processor = tiny_pair(num_queries=1, instance_form="token_per_instance")
    scene = world_sample(5, 1, SCENE)
    boxes = relative_boxes_cxcywh(scene.rendered.masks)
    blocks, rows = TokenPerInstance().training_blocks(((2, 0, 1), ()), boxes)
    assert blocks is not None
    assert blocks == (3, 1)
    assert rows[3] == ()
    places = [boxes[row[0], 0] for row in rows[:3]]
    assert places == sorted(places)
    direct, sizes = [[True] * len(scene.instructions)], OutputSizes.of(model, "nearest")
    batch = collate(0, [training_sample("scene", scene)], direct, processor, sizes)
    wanted = [max(1, len(one.phrases[0].instances)) for one in scene.instructions]
    assert max(wanted) > 1
    assert min(len(one.phrases[0].instances) for one in scene.instructions) == 0
    assert len(batch.inputs.phrase_ids) == len(batch.targets.counts) == sum(wanted)
    assert set(batch.targets.counts) == {0, 1}
    assert batch.inputs.phrase_sample.bincount().tolist() == wanted


def test_one_mask_per_phrase_is_the_union() -> None:
    model, processor = tiny_pair(num_queries=1, instance_form="token_as_mask")
    scene = world_sample(5, 1, SCENE)
    direct, sizes = [[True] * len(scene.instructions)], OutputSizes.of(model, "nearest")
    batch = collate(0, [training_sample("scene", scene)], direct, processor, sizes)
    counts = set()
    targets = batch.targets.padded("cpu")
    for row, one in enumerate(scene.instructions):
        named = list(one.phrases[0].instances)
        counts.add(min(len(named), 2))
        assert targets.counts[row] == min(len(named), 1)
        if named:
            union = scene.rendered.masks[named].any(0, keepdims=True)
            small = resize_masks(torch.from_numpy(union), sizes.mask_size, "nearest")
            assert torch.equal(targets.masks[row, :1], small)
            boxes = torch.from_numpy(relative_boxes_cxcywh(union))
            assert torch.allclose(targets.boxes_cxcywh[row, :1], boxes)
    assert counts == {0, 1, 2}


def test_the_stage_without_language_model_cannot_count(tmp_path: Path) -> None:
    more = ["model.overrides.num_queries=1", "model.overrides.instance_form=token_per_instance"]
    with pytest.raises(ConfigError, match="stage all"):
        run(None, tiny(tmp_path, "stage=phrases", *more))


def test_a_published_folder_can_be_trained_further(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    published, _ = publish(folder)
    model, processor = open_model(folder)
    assert torch.equal(model.lm_head.weight, published.lm_head.weight)
    assert processor.settings == ProcessorSettings.from_config(model.config)
    assert model.config.token_ids == processor.token_ids.as_dict()


def test_a_processor_of_another_model_is_not_trained_with(tmp_path: Path) -> None:
    model, processor = tiny_pair()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"settings": fields["settings"] | {"num_queries": 9}}))
    with pytest.raises(CheckpointError, match=r"processor_config\.json in .* num_queries 9, config.json 4"):
        open_model(tmp_path)


def test_the_tokenizer_of_a_trained_model_grows(tmp_path: Path) -> None:
    texts = ["fetch me the Honeycrisp apples"] * 4
    small, processor = start_model(
        ModelSettings(preset="tiny", vocab_size=400, tokenizer_texts=300), all_texts
    )
    small.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    settings = ModelSettings(path=str(tmp_path), extend_tokenizer=430)
    grown, new = start_model(settings, lambda count: iter(texts))
    size = len(new.tokenizer)  # type: ignore[arg-type]
    assert 400 < size <= 430
    assert grown.lm_head.weight.shape[0] == grown.get_input_embeddings().weight.shape[0] == size
    assert grown.image_token_id == new.token_ids.image
    image, scene = Image.new("RGB", (64, 64), "white"), "the red mug"
    before = Segmenter(small.eval(), processor).segment(image, scene, mode="direct")
    after = Segmenter(grown.eval(), new).segment(image, scene, mode="direct")
    np.testing.assert_allclose(before.instances.scores, after.instances.scores, atol=1e-6)
    grown.save_pretrained(tmp_path / "grown")
    new.save_pretrained(tmp_path / "grown")
    open_model(tmp_path / "grown")
