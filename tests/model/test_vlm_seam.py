"""Every VLM family trains, decodes, saves and loads, and a model can be built from its stock weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from jinja2 import Template
from transformers import Sam3Config, Sam3Model
from transformers.models.smolvlm import processing_smolvlm

import instructsam
from instructsam.checkpoints.published_layout import config_to_published
from instructsam.cli.main import run
from instructsam.errors import CheckpointError, ConfigError
from instructsam.inference.segmenter import Segmenter
from instructsam.model.generation import GenerationSettings, generate
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.shared_prefix import query_states
from instructsam.model.vlm.base import PixelRules
from instructsam.model.vlm.registry import VLMS, vlm_config
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.structures.outputs import ModelInputs
from instructsam.training.settings import ModelSettings
from instructsam.training.start import start_model
from instructsam.vlms.local import load_vlm
from instructsam.vlms.protocol import Turn
from tests.model.test_generation import decode, script
from tests.reference import assert_near
from tests.tiny import TEXTS, encode_images, picture, same, tiny_pair, tiny_tokenizer

FAMILIES = pytest.mark.parametrize("family", sorted(VLMS))
SAMPLES = (
    Sample(0, "segment the red mugs", ("red mug",)),
    Sample(1, "the leftmost blue car and the kite, please", ("leftmost blue car", "kite")),
    Sample(0, "what can fly?", ("bird",)),
)
PICTURES = (picture(), picture(1).resize((96, 48)))


def encoded(family: str) -> tuple[InstructSAMModel, InstructSAMProcessor, ModelInputs]:
    model, processor = tiny_pair(vlm=family)
    return model, processor, processor.encode(PICTURES, list(SAMPLES), labels=True)


@FAMILIES
def test_a_family_states_what_the_rest_uses(family: str) -> None:
    model, _, inputs = encoded(family)
    vlm, config = VLMS[family], model.config.vlm_config
    assert isinstance(model.vlm, vlm)
    assert config.model_type == vlm.model_type == family
    assert isinstance(vlm_config({"model_type": family}), vlm.config_class)
    names = model.vlm.state_dict()
    assert vlm.token_table in names
    assert all(any(name.startswith(prefix) for _, prefix in vlm.parts) for name in names)
    widths = {module.in_features for module in model.vlm.modules() if isinstance(module, torch.nn.Linear)}
    assert widths == set(vlm.linear_widths(config))
    images = encode_images(model, inputs)
    tokens = (inputs.input_ids == model.image_token_id).sum(1)
    assert [len(images.vlm.embeds[i]) for i in inputs.image_index] == tokens.tolist()


@FAMILIES
def test_training_lowers_the_loss_and_reaches_every_part(family: str) -> None:
    model, _, inputs = encoded(family)
    model.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        output = model(**inputs.as_kwargs(), text_logits=True)
        text = torch.nn.functional.cross_entropy(
            output.text_logits[:, :-1].flatten(0, 1), inputs.labels[:, 1:].flatten(), ignore_index=-100
        )
        loss = (
            text
            + torch.nn.functional.softplus(-output.score_logits).mean()
            + output.mask_logits.square().mean()
        )
        optimizer.zero_grad()
        loss.backward()
        if not losses:
            parts = [model.instance_queries, *model.vlm.vision_modules(), model.vlm.language_model]
            for part in parts:
                assert any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


@FAMILIES
@torch.no_grad()
def test_queries_of_one_block_see_each_other_both_ways(family: str) -> None:
    model, _, inputs = encoded(family)
    images = encode_images(model, inputs)
    before = query_states(model, inputs, images)
    model.instance_queries.weight[-1] += 1.0
    after = query_states(model, inputs, images)
    assert (after[:, 0] - before[:, 0]).abs().max() > 1e-4, "the first query sees the last one"
    ids, mask, blocks = inputs.input_ids, inputs.attention_mask, inputs.block_ids
    positions = model.positions(ids, mask, images.grid_thw[inputs.image_index])
    arguments = (mask, blocks, positions, images, inputs.image_index)
    hidden = model.encode(ids, *arguments)
    changed = ids.clone()
    last = int(mask[1].sum()) - 1
    changed[1, last] = model.config.token_ids["ref_start"]
    moved = (model.encode(changed, *arguments) - hidden).abs().amax(-1)[1]
    assert moved[last] > 1e-4
    assert moved[:last].max() < 1e-6, "text stays causal"


@FAMILIES
@torch.no_grad()
def test_a_batch_equals_single_samples(family: str) -> None:
    model, processor, inputs = encoded(family)
    together = query_states(model, inputs, encode_images(model, inputs))
    alone = []
    for sample in SAMPLES:
        one = processor.encode(
            [PICTURES[sample.image_index]], [Sample(0, sample.instruction, sample.phrases)]
        )
        alone.append(query_states(model, one, encode_images(model, one)))
    assert_near(together, torch.cat(alone), 1e-4)


@FAMILIES
@torch.no_grad()
def test_cached_decoding_equals_teacher_forcing(family: str) -> None:
    model, processor, finished = encoded(family)
    prompts = processor.encode(PICTURES, [Sample(s.image_index, s.instruction) for s in SAMPLES])
    replies = decode(model, prompts, [script(processor, *s.phrases or ()) for s in SAMPLES])
    forced = model(**finished.as_kwargs()).query_states
    assert_near(torch.stack([state for reply in replies for state in reply.states]), forced, 1e-4)
    free = generate(model, prompts, encode_images(model, prompts), GenerationSettings(max_new_tokens=5))
    for sample, reply in zip(SAMPLES, free, strict=True):
        one = processor.encode([PICTURES[sample.image_index]], [Sample(0, sample.instruction)])
        alone = generate(model, one, encode_images(model, one), GenerationSettings(max_new_tokens=5))[0]
        assert reply.ids == alone.ids


@FAMILIES
@pytest.mark.parametrize("tied", [False, True])
def test_save_and_load(family: str, tied: bool, tmp_path: Path) -> None:
    segmenter = Segmenter(*tiny_pair(vlm=family, tie_embeddings=tied))
    segmenter.save(tmp_path / "model")
    again = instructsam.load(tmp_path / "model", device="cpu")
    assert again.fingerprint == segmenter.fingerprint
    assert again.processor.settings == segmenter.processor.settings
    for options in ({"mode": "generate", "max_new_tokens": 6}, {"mode": "direct"}):
        for one, other in zip(
            segmenter.segment(picture(), ["red mug", "kite"], score_threshold=0.0, **options),
            again.segment(picture(), ["red mug", "kite"], score_threshold=0.0, **options),
            strict=True,
        ):
            same(one, other)


def save_stock(family: str, folder: Path) -> Path:
    """A stock model of a family with random weights, and its tokenizer."""
    model, processor = tiny_pair(vlm=family)
    torch.manual_seed(1)
    vlm = VLMS[family]
    vlm.stock_class()(vlm.config_class(**model.config.vlm_config.to_dict())).save_pretrained(folder)
    processor.tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def sam3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = Sam3Config(**tiny_pair()[0].config.detector_config.to_dict())
    config.text_config.num_hidden_layers = 1
    config.text_config.hidden_size = config.text_config.intermediate_size = 32
    config.text_config.num_attention_heads = 2
    config.geometry_encoder_config.hidden_size = 32
    config.geometry_encoder_config.num_attention_heads = 2
    folder = tmp_path_factory.mktemp("sam3")
    Sam3Model(config).save_pretrained(folder)
    return folder


@FAMILIES
def test_a_model_is_built_from_stock_weights(family: str, sam3: Path, tmp_path: Path) -> None:
    folder = save_stock(family, tmp_path / "stock")
    segmenter = instructsam.build(folder, sam3, num_queries=3, device="cpu")
    stock = VLMS[family].stock_class().from_pretrained(folder)
    model = segmenter.model
    for name, tensor in stock.model.state_dict().items():
        assert torch.equal(model.vlm.state_dict()[name], tensor), name
    assert model.config.num_queries == 3
    command = ["build", tmp_path / "built", "--vlm", folder, "--detector", sam3, "--num-queries", 3]
    assert run([str(argument) for argument in command]) == 0
    built = instructsam.load(tmp_path / "built", device="cpu")
    assert built.fingerprint == segmenter.fingerprint
    options = {"phrases": ["red mug"], "score_threshold": 0.0}
    same(segmenter.segment(picture(), **options), built.segment(picture(), **options))


@FAMILIES
def test_a_preset_trains_any_family(family: str) -> None:
    settings = ModelSettings(preset="tiny", vocab_size=400, tokenizer_texts=300, overrides={"vlm": family})
    model, processor = start_model(settings, lambda count: list(TEXTS) * count)
    assert isinstance(model.vlm, VLMS[family])
    assert processor.settings.vlm == family


@FAMILIES
@torch.no_grad()
def test_the_stock_model_takes_our_inputs(family: str, tmp_path: Path) -> None:
    vlm = load_vlm(save_stock(family, tmp_path / "stock"), device="cpu")
    vlm.pixel_limits = (64 * 64, 64 * 64)
    inputs = vlm._own_inputs(VLMS[family], [Turn("user", "what is this?", (picture(), picture(1)))])
    logits = vlm.model(**inputs).logits
    other = vlm.model(
        **vlm._own_inputs(VLMS[family], [Turn("user", "what is this?", (picture(), picture(2)))])
    ).logits
    assert not torch.equal(logits[0, -1], other[0, -1]), "the second image is seen"
    assert vlm.reply([Turn("user", "what is this?", (picture(),))], 3).text is not None


@FAMILIES
@torch.no_grad()
def test_a_model_is_made_of_the_parts_that_are_passed_in(family: str) -> None:
    model, _, inputs = encoded(family)
    other = InstructSAMModel(model.config, vlm=model.vlm, detector=model.detector)
    assert other.vlm is model.vlm
    assert other.detector is model.detector
    assert other.state_dict().keys() == model.state_dict().keys()
    other.load_state_dict(model.state_dict())
    assert_near(other.eval()(**inputs.as_kwargs()).mask_logits, model(**inputs.as_kwargs()).mask_logits, 1e-6)


def test_the_published_layout_is_for_qwen3_vl() -> None:
    model, _ = tiny_pair(vlm="smolvlm", use_presence=False)
    with pytest.raises(CheckpointError, match="the published layout is for qwen3_vl"):
        config_to_published(model.config)


def test_our_forward_equals_that_of_the_stock_smolvlm(tmp_path: Path) -> None:
    model, processor = tiny_pair(vlm="smolvlm")
    stock = VLMS["smolvlm"].stock_class()(model.config.vlm_config).eval()
    stock.model.load_state_dict(model.vlm.state_dict())
    inputs = processor.encode([picture()], [Sample(0, "what can fly?")])
    with torch.no_grad():
        images = encode_images(model, inputs)
        positions = model.positions(inputs.input_ids, inputs.attention_mask, inputs.image_grid_thw)
        ours = model.encode(
            inputs.input_ids, inputs.attention_mask, inputs.block_ids, positions, images, inputs.image_index
        )
        theirs = stock.model(input_ids=inputs.input_ids, pixel_values=inputs.pixel_values.unsqueeze(0))
    assert_near(ours, theirs.last_hidden_state, 1e-5)


def test_layout_of_smolvlm() -> None:
    _, processor = tiny_pair(vlm="smolvlm")
    inputs = processor.encode([picture()], [Sample(0, "the red mugs", ("red mug",))])
    text = tiny_tokenizer("smolvlm").decode(inputs.input_ids[0].tolist(), skip_special_tokens=False)
    assert text == (
        "<|im_start|>User:<fake_token_around_image><global-img>"
        + "<image>" * 16
        + "<fake_token_around_image>the red mugs<end_of_utterance>\nAssistant:"
        + "<|object_ref_start|>red mug<|object_ref_end|><|mask_start|>"
        + "[SEG]" * 4
        + "<|mask_end|><end_of_utterance>"
    )


def test_layout_of_smolvlm_equals_that_of_transformers() -> None:
    tokens = VLMS["smolvlm"].tokens
    layout = VLMS["smolvlm"].image_layout((1, 8, 8), PixelRules(8, 2, 1, 1, 1, 64))
    assert "".join(layout) == processing_smolvlm.get_image_prompt_string(
        0, 0, 16, tokens["vision_start"], tokens["image"], *VLMS["smolvlm"].extra_tokens
    )
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "the red mugs"}]}
    rendered = Template(processing_smolvlm.DEFAULT_CHAT_TEMPLATE).render(
        messages=[user], add_generation_prompt=True
    )
    chat = VLMS["smolvlm"].chat
    ours = [*chat.begin, *chat.roles["user"], "<image>the red mugs", *chat.end, *chat.roles["assistant"]]
    assert "".join(ours) == rendered


def test_sizes_that_a_family_cannot_take() -> None:
    with pytest.raises(ConfigError, match="multiple of scale_factor 2, got 5"):
        tiny_pair(vlm="smolvlm", image_size=40)
    with pytest.raises(
        ConfigError, match=r"vlm_config\.model_type must be one of qwen3_vl, smolvlm, got 'gpt'"
    ):
        vlm_config({"model_type": "gpt"})


def test_only_the_families_name_their_stock_classes() -> None:
    source = Path(instructsam.__file__).parent
    names = re.compile(r"\b(?:Qwen3VL|SmolVLM)\w+")
    others = [path for path in source.rglob("*.py") if path.parent != source / "model" / "vlm"]
    assert not [path for path in others if names.search(path.read_text(encoding="utf-8"))]
