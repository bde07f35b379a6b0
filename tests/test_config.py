from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field, ValidationError, model_validator

from instructsam.config import Config, build_config, dump_config, load_config, to_dict
from instructsam.errors import ConfigError


class Optim(Config):
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: float | None = 1.0

    @model_validator(mode="after")
    def check(self) -> Optim:
        if self.learning_rate <= 0:
            raise ConfigError(f"learning_rate must be positive, got {self.learning_rate}")
        return self


class Run(Config):
    name: str
    steps: int = 10
    resume: bool = False
    sizes: tuple[int, ...] = (160,)
    folder: Path = Path("runs")
    batch: int | Literal["auto"] = "auto"
    weights: dict[str, float] = Field(default_factory=dict)
    optim: Optim = Optim()
    ema: Optim | None = None


class Bounds(Config):
    share: float = Field(default=0.5, gt=0, le=1)
    counts: tuple[Annotated[int, Field(ge=1)], ...] = ()
    factors: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    most: Annotated[int, Field(lt=10)] | None = None


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_kind_of_field(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        name: first
        steps: 1e4
        resume: true
        sizes: [128, 160]
        folder: out/here
        batch: 8
        weights: {dice: 2, bce: 0.5}
        optim: {learning_rate: 3e-4, betas: [0.9, 0.99], schedule: constant, clip: null}
        """,
    )
    assert load_config(Run, path) == Run(
        name="first",
        steps=10_000,
        resume=True,
        sizes=(128, 160),
        folder=Path("out/here"),
        batch=8,
        weights={"dice": 2.0, "bce": 0.5},
        optim=Optim(learning_rate=3e-4, betas=(0.9, 0.99), schedule="constant", clip=None),
    )


def test_values_have_exactly_the_annotated_types() -> None:
    run = load_config(Run, None, ["name=x", "optim.learning_rate=1", "steps=7", "sizes=[1, 2]"])
    assert type(run.optim.learning_rate) is float
    assert type(run.steps) is int
    assert type(run.sizes) is tuple


def test_overrides_win_over_the_file_and_later_over_earlier(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nsteps: 1\noptim: {clip: 3.0}")
    run = load_config(Run, path, ["steps=2", "steps=3", "optim.learning_rate=1e-2", "ema.clip=2"])
    assert run.steps == 3
    assert run.optim == Optim(learning_rate=1e-2, clip=3.0)
    assert run.ema == Optim(clip=2.0)


@pytest.mark.parametrize("text", ["123", "yes", "null", "a=b", "[x"])
def test_a_string_override_is_taken_as_it_stands(text: str) -> None:
    assert load_config(Run, None, [f"name={text}"]).name == text


@pytest.mark.parametrize(("text", "batch"), [("auto", "auto"), ("4", 4)])
def test_a_union_takes_the_member_that_fits(text: str, batch: object) -> None:
    assert load_config(Run, None, ["name=x", f"batch={text}"]).batch == batch


def test_none_reaches_optional_fields_only() -> None:
    assert load_config(Run, None, ["name=x", "optim.clip=null"]).optim.clip is None
    with pytest.raises(ConfigError, match="steps must be a whole number, got null"):
        load_config(Run, None, ["name=x", "steps=null"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stpes=3", "unknown key stpes; did you mean steps?"),
        ("optim.learning_rat=3", "unknown key optim.learning_rat; did you mean optim.learning_rate?"),
        ("optim.zzzz=3", "unknown key optim.zzzz; known keys: optim.betas, optim.clip"),
        ("steps=many", "steps must be a whole number, got str 'many'"),
        ("steps=2.5", "steps must be a whole number, got float 2.5"),
        ("steps=true", "steps must be a whole number, got bool True"),
        ("resume=1", "resume must be true or false, got int 1"),
        ("optim.learning_rate=fast", "optim.learning_rate must be a finite number, got str 'fast'"),
        ("optim.learning_rate=.nan", "optim.learning_rate must be a finite number, got float nan"),
        ("optim.clip=high", "optim.clip must be a finite number or null, got str 'high'"),
        ("optim.schedule=linear", "optim.schedule must be one of 'cosine', 'constant', got str 'linear'"),
        ("optim.betas=[0.9]", "optim.betas must be a list of 2 values, got list [0.9]"),
        ("sizes=160", "sizes must be a list such as [1, 2], got int 160"),
        ("sizes=[160, big]", "sizes[1] must be a whole number, got str 'big'"),
        ("sizes=[160", "sizes must be valid YAML, got '[160'"),
        ("weights={dice: x}", "weights.dice must be a finite number, got str 'x'"),
        ("weights.dice=x", "weights.dice must be a finite number, got str 'x'"),
        ("optim=3", "optim must be a mapping of keys, got int 3"),
        ("optim.learning_rate=-1", "optim.learning_rate must be positive, got -1.0"),
        ("steps", "an override must look like key=value or group.key=value, got 'steps'"),
        ("optim.=3", "an override must look like key=value or group.key=value, got 'optim.=3'"),
        ("name.first=3", "cannot apply the override 'name.first=3': name holds str 'x'"),
    ],
)
def test_a_wrong_override_names_key_expected_and_got(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Run, None, ["name=x", override])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 3", "the key name is missing"),
        ("name: 3", "name must be text, got int 3"),
        ("name: x\nsteps: '3 4'", "steps must be a whole number, got str '3 4'"),
        ("- 1\n- 2", "must be a mapping of keys, got list [1, 2]"),
        ("name: x\n steps: 3", "is not valid YAML: line 2"),
        ("name: x\nname: y", "line 2: the key 'name' appears twice"),
        ("1: x\nname: y", "unknown key 1"),
    ],
)
def test_a_wrong_file_is_named_in_the_message(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(Run, path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(Run, tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_config(Run, tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(Run, tmp_path / "binary.yaml")


ALIASES = "a: &a [x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 6)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALIASES, "more than 5000 values or 20 levels once its aliases"),
        ("name: &a [*a]", "an alias contains itself"),
        ("name: *" + "a" * 60_000, "line 1: found undefined alias 'aaa"),
        ("name: &a {<<: *a}", "an alias contains itself"),
        (
            "k0: &a0 [1]\n" + "".join(f"k{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 40)),
            "20 levels once its aliases",
        ),
        ("[" * 50_000, "20 levels"),
        ("{a: " * 10_000, "20 levels"),
        ("- " * 30_000, "20 levels"),
        ("sizes: [" + "1," * 20_000 + "]", "more than 5000 values"),
        ("name: " + "x" * 70_000, "longer than 64 KiB"),
        ("steps: " + "9" * 5000, "a number of 5000 digits"),
        ("steps: 0x" + "f" * 5000, "a number of 5002 digits"),
        ("steps: " + "1:" * 400 + "1.0", "digits fits no setting"),
        ("name: x\nsteps: 99999999999999999999", "steps must be a whole number below 2**63"),
        ("name: x\nweights: {a: 1e400}", "weights.a must be a finite number"),
        ("name: x\nsteps: 010", "line 2: the number '010' is ambiguous"),
        ("name: x\nsteps: 1:30", "line 2: the number '1:30' is ambiguous"),
        ("name: x\nweights: {a: -0_1}", "the number '-0_1' is ambiguous"),
        ("steps: !!int x", "'x' is not valid as int"),
        ("steps: !!int ''", "'' is not valid as int"),
        ("resume: !!bool x", "'x' is not valid as bool"),
        ("optim: !!map [1]", "expected keys and values"),
        ("name: !!timestamp x\nsteps: !!set {a}", "the tag 'tag:yaml.org,2002:set' is not supported"),
        ("name: !!binary '!'", "binary' is not supported"),
        ("name: !!python/object/apply:os.getcwd []", "os.getcwd' is not supported"),
        ('name: "\\ud83d"', "name must be text without NUL and surrogates"),
        ('name: "a\\0b"', "name must be text without NUL"),
        ('name: x\nweights: {"\\ud83d": 1}', "weights must be text without NUL"),
        ("\0", "special characters are not allowed"),
    ],
    ids=lambda text: text[:24].split("\n")[0],
)
def test_hostile_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Run, write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "override",
    [
        "steps=" + "9" * 5000,
        "steps=" + "[" * 5000,
        "name.b" + ".c" * 2000 + "=1",
        "name=\udcff",
        "steps=[*a]",
    ],
    ids=lambda override: override[:12],
)
def test_hostile_overrides_are_refused_in_one_line(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Run, None, ["name=x", override])
    assert len(str(caught.value)) < 500


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_path_without_an_end_or_with_a_nul_is_refused() -> None:
    with pytest.raises(ConfigError, match="longer than 64 KiB"):
        load_config(Run, "/dev/zero")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_config(Run, "a\0b")


def test_a_byte_order_mark_and_aliases_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(
        b"\xef\xbb\xbfname: 2026-01-01\noptim: &o {clip: 2.0}\nema: {<<: *o, schedule: constant}\n"
    )
    run = load_config(Run, tmp_path / "run.yaml")
    assert (run.name, run.ema) == ("2026-01-01", Optim(clip=2.0, schedule="constant"))


def test_values_from_python_may_be_huge() -> None:
    with pytest.raises(
        ConfigError, match=r"steps must be a whole number below 2\*\*63, got int with thousands"
    ):
        build_config(Run, {"name": "x", "steps": 10**5000})


def test_the_file_is_named_only_for_what_is_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\nsteps: many\n")
    with pytest.raises(
        ConfigError, match=rf"^{re.escape(str(path))}: steps must be a whole number, got str 'many'"
    ):
        load_config(Run, path, ["optim.clip=2"])
    for change in ("steps=few", "stepss=3"):
        with pytest.raises(ConfigError, match=r"^(steps must be|unknown key stepss)"):
            load_config(Run, path, ["steps=3", change])
    assert load_config(Run, path, ["steps=3"]).steps == 3


def test_a_list_or_mapping_behind_an_override_is_never_taken_for_text() -> None:
    assert load_config(Run, None, ["name=[x]"]).name == "[x]"  # text as it stands
    for value in ("{x}", "[x]"):
        with pytest.raises(ConfigError, match=r"^batch must be "):
            load_config(Run, None, ["name=x", f"batch={value}"])


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config(Optim, write(tmp_path, "# nothing\n")) == Optim()


def test_to_dict_survives_yaml_and_json() -> None:
    run = load_config(Run, None, ["name=x", "sizes=[1, 2]", "weights.dice=2", "ema.clip=null"])
    plain = to_dict(run)
    assert build_config(Run, yaml.safe_load(yaml.safe_dump(plain))) == run
    assert build_config(Run, json.loads(json.dumps(plain))) == run
    assert plain["sizes"] == [1, 2]
    assert plain["folder"] == "runs"


@pytest.mark.parametrize("name", ["1e4", "2.5E-3", "12", "null", "yes", "é", "a: b", ".inf", "1_0", "0x1f"])
def test_dumped_text_stays_text(tmp_path: Path, name: str) -> None:
    run = Run(name=name, weights={"a": 1e-7, "b": 1e16}, optim=Optim(learning_rate=1e-5))
    assert load_config(Run, write(tmp_path, dump_config(run))) == run


def test_values_in_python_are_checked_like_those_of_a_file() -> None:
    assert Optim(clip=2, betas=(0.5, 0.5)) == load_config(Optim, None, ["clip=2", "betas=[0.5, 0.5]"])
    with pytest.raises(ConfigError, match=r"^unknown key learning_rat; did you mean learning_rate"):
        Optim(learning_rat=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"^clip must be a finite number or null, got str '1'"):
        Optim(clip="1")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^learning_rate must be positive, got -1\.0"):
        Optim(learning_rate=-1.0)
    with pytest.raises(ConfigError, match=r"^sizes must be a tuple such as \(1, 2\), got list \[1\]"):
        Run(name="x", sizes=[1])  # type: ignore[arg-type]


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Optim().clip = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("share=0", "share must lie in (0, 1], got 0"),
        ("share=1.5", "share must lie in (0, 1], got 1.5"),
        ("counts=[1, 0]", "counts[1] must be at least 1, got 0"),
        ("factors={a: -1}", "factors.a must be above 0, got -1"),
        ("most=10", "most must be below 10, got 10"),
        ("most='3'", "most must be a whole number or null, got str '3'"),
    ],
)
def test_bounds_of_a_field_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Bounds, None, [override])
    assert str(caught.value) == message


def test_numbers_with_an_exponent_are_numbers_and_quoted_ones_are_text(tmp_path: Path) -> None:
    run = load_config(
        Run, write(tmp_path, "name: '12'\nsteps: 2e1\noptim: {learning_rate: 1e-4, clip: .5e1}")
    )
    assert (run.name, run.steps, run.optim.learning_rate, run.optim.clip) == ("12", 20, 1e-4, 5.0)
    with pytest.raises(ConfigError, match="steps must be a whole number, got str '12'"):
        load_config(Run, write(tmp_path, "name: x\nsteps: '12'"))


def test_the_module_needs_no_torch() -> None:
    code = "import sys; import instructsam.config; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
