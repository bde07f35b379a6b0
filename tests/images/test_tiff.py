"""TIFF layouts against the arrays that tifffile wrote: equal, or refused by the true reason; never garbled."""

from __future__ import annotations

import io
import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from instructsam.errors import ImageError
from instructsam.images.limits import MAX_PIXELS
from instructsam.images.loader import load_bytes, load_image, read_size
from instructsam.images.pixels import Meaning, samples_to_rgb

HEIGHT, WIDTH = 20, 34
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64")
FLOATS = ("float16", "float32", "float64")


def values(dtype: str, bands: int = 0) -> np.ndarray:
    """Random values over the whole range of the type, [H, W] or [H, W, bands]."""
    random = np.random.default_rng(3).random((HEIGHT, WIDTH, bands) if bands else (HEIGHT, WIDTH))
    if dtype in FLOATS:
        return random.astype(dtype)
    return (random * np.iinfo(dtype).max).astype(dtype)


def tiff(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, metadata=None, **{"photometric": "minisblack", **options})
    return stream.getvalue()


def expected(array: np.ndarray, **meaning: Any) -> np.ndarray:
    samples = array if array.ndim == 3 else array[..., None]
    return np.asarray(samples_to_rgb(samples, Meaning(**meaning), "x", []))


def loaded(content: bytes) -> np.ndarray:
    return np.asarray(load_bytes(content, "x.tif").image)


def refusal(content: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        load_bytes(content, "x.tif")
    return str(caught.value)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_one_band_of_every_type_is_read_as_written(dtype: str, order: str) -> None:
    array = values(dtype)
    for meant, packed, tile in itertools.product(
        ("minisblack", "miniswhite"), (None, "zlib", "lzw", "packbits"), (None, (16, 16))
    ):
        content = tiff(array, photometric=meant, compression=packed, tile=tile, byteorder=order)
        want = expected(array, inverted=meant == "miniswhite")
        assert (loaded(content) == want).all(), (meant, packed, tile)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float16", "float64"])
def test_many_bands_of_every_type_are_read_as_written(dtype: str, planes: str) -> None:
    for bands, meant, order in itertools.product((2, 3, 4, 5, 12), ("minisblack", "rgb"), "<>"):
        if bands < 3 and meant == "rgb":
            continue
        array = values(dtype, bands)
        written = np.ascontiguousarray(np.moveaxis(array, -1, 0)) if planes == "separate" else array
        extra = ["unspecified"] * (bands - (3 if meant == "rgb" else 1))
        options = {"planarconfig": planes, "photometric": meant, "extrasamples": extra, "byteorder": order}
        for packed in (None, "lzw"):
            content = tiff(written, compression=packed, **options)
            assert (loaded(content) == expected(array, colour=meant == "rgb")).all(), (bands, meant, packed)


@pytest.mark.parametrize(
    ("bands", "meant", "extra", "note"),
    [
        (2, "minisblack", ["unspecified"], "2 bands: the first is shown as grey"),
        (4, "rgb", ["unspecified"], "4 bands: the first three are shown as colours"),
        (6, "rgb", ["unspecified"] * 3, "6 bands: the first three are shown as colours"),
        (3, "rgb", [], None),
        (4, "rgb", ["unassalpha"], "transparent parts are shown on white"),
    ],
)
def test_8_bit_bands_that_pillow_leaves_out_are_named_in_a_note(
    bands: int, meant: str, extra: list[str], note: str | None
) -> None:
    content = tiff(values("uint8", bands), photometric=meant, extrasamples=extra, planarconfig="contig")
    assert load_bytes(content, "x").notes == (() if note is None else (note,))


def test_signed_8_bit_data_get_a_note_of_their_range() -> None:
    (note,) = load_bytes(tiff(np.array([[-100, 0], [20, 100]], np.int8)), "x").notes
    assert note == "8-bit signed data: values -100 to 100 are mapped to 0..255"


def test_bands_beyond_colour_are_named_in_a_note() -> None:
    notes = load_bytes(tiff(values("uint8", 12), planarconfig="contig"), "x").notes
    assert notes == ("12 bands: the first three are shown as colours",)
    pair = tiff(values("uint16", 2), planarconfig="contig", extrasamples=["unspecified"])
    assert load_bytes(pair, "x").notes == ("2 bands: the first is shown as grey",)


@pytest.mark.parametrize("form", ["unassalpha", "assocalpha"])
def test_opacity_of_deep_colour_lets_white_through(form: str) -> None:
    array = np.zeros((HEIGHT, WIDTH, 4), np.uint16)
    array[..., 0] = 65535 if form == "unassalpha" else 32768
    array[..., 3] = 32768
    result = load_bytes(tiff(array, photometric="rgb", extrasamples=[form]), "x")
    assert np.abs(np.asarray(result.image)[0, 0].astype(int) - (255, 127, 127)).max() <= 1
    assert "white" in result.notes[-1]


def test_twelve_bits_in_sixteen_use_their_range_in_colour_too() -> None:
    grey = values("uint8", 3)
    deep = grey.astype(np.uint16) * 16
    result = load_bytes(tiff(deep, photometric="rgb"), "x")
    assert np.abs(np.asarray(result.image).astype(int) - grey).max() <= 1
    assert result.notes == ("16-bit data: values 0 to 4095 are mapped to 0..255",)


def test_nan_and_nodata_are_black_and_counted() -> None:
    array = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    array[0, :3], array[1, :2], array[2, 0] = np.nan, -3.4028235e38, 1.0
    result = load_bytes(tiff(array), "x")
    pixels = np.asarray(result.image)[..., 0]
    assert pixels[0, 0] == pixels[1, 1] == 0
    assert (pixels[2, 0], pixels[5, 5]) == (255, 128)
    assert result.notes[0] == "5 values without data (NaN or nodata) are shown as black"
    declared = np.full((HEIGHT, WIDTH), 1000, np.int16)
    declared[0], declared[1] = -9999, 1200
    tag = (42113, "s", 0, "-9999", True)
    result = load_bytes(tiff(declared, extratags=[tag]), "x")
    assert np.asarray(result.image)[0:3, 0, 0].tolist() == [0, 255, 0]
    assert "values 1000 to 1200" in result.notes[1]


def test_nothing_but_nan_is_refused_for_that() -> None:
    message = refusal(tiff(np.full((HEIGHT, WIDTH), np.nan, np.float64)))
    assert "no finite value" in message
    assert "damaged" not in message


def test_layouts_that_no_reader_has_are_unsupported_not_damaged() -> None:
    waves = tiff(np.zeros((HEIGHT, WIDTH), np.complex64))
    mosaic = tiff(values("uint16"), photometric="cfa", extratags=[(33421, "H", 2, (2, 2), True)])
    bits = tiff(values("uint8", 3) > 127, photometric="rgb", planarconfig="contig")
    volume = tiff(np.zeros((4, 16, 16), np.uint16), volumetric=True, tile=(4, 16, 16))
    for content in (waves, mosaic, bits, volume):
        message = refusal(content)
        assert "not supported" in message
        assert "damaged" not in message


@pytest.mark.parametrize(
    ("dtype", "bands", "planes"), [("float64", 0, None), ("uint16", 5, "contig"), ("uint8", 12, "separate")]
)
def test_without_tifffile_the_message_names_the_command(
    dtype: str,
    bands: int,
    planes: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    array = values(dtype, bands)
    content = tiff(
        np.ascontiguousarray(np.moveaxis(array, -1, 0)) if planes == "separate" else array,
        planarconfig=planes,
    )
    monkeypatch.setattr("instructsam.images.tiff.has_tifffile", lambda: False)
    message = refusal(content)
    assert "pip install 'instructsam[tiff]'" in message
    assert "damaged" not in message
    assert f"{8 * np.dtype(dtype).itemsize}-bit" in message
    assert capfd.readouterr().err == ""


def test_without_tifffile_deep_colour_is_read_where_pillow_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instructsam.images.loader.has_tifffile", lambda: False)
    monkeypatch.setattr("instructsam.images.tiff.has_tifffile", lambda: False)
    array = values("uint16", 3)
    assert np.abs(loaded(tiff(array, photometric="rgb")).astype(int) - array // 257).max() <= 1
    assert "instructsam[tiff]" in refusal(tiff(array // 16, photometric="rgb"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tifffile_and_pillow_turn_alike(orientation: int) -> None:
    tag = (274, "H", 1, orientation, True)
    grey = values("uint8")
    deep = loaded(tiff(grey.astype(np.float64) / 255, extratags=[tag]))
    assert np.abs(deep.astype(int) - loaded(tiff(grey, extratags=[tag]))).max() <= 1


def test_a_turned_tiff_says_so_and_its_header_gives_the_upright_size(tmp_path: Path) -> None:
    path = tmp_path / "turned.tif"
    for dtype in ("uint8", "float64"):
        path.write_bytes(tiff(values(dtype), extratags=[(274, "H", 1, 6, True)], bigtiff=True))
        result = load_image(path)
        assert result.image.size == (HEIGHT, WIDTH)
        assert "34 x 20 px in the file, 20 x 34 px here" in result.notes[-1]
        assert read_size(path) == (WIDTH, HEIGHT)


def test_a_tiff_that_the_caller_opened_is_read_like_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values("uint16"), photometric="miniswhite"))
    with Image.open(path) as opened:
        assert load_image(opened).image.tobytes() == load_image(path).image.tobytes()
        assert opened.mode == "I;16"
        opened.load()


def test_cut_files_are_damaged_whoever_reads_them() -> None:
    for options in ({}, {"compression": "zlib"}, {"tile": (16, 16)}, {"rowsperstrip": 4}):
        whole = tiff(values("float64"), **options)
        for share in (0.5, 0.9):
            assert "damaged or truncated" in refusal(whole[: int(len(whole) * share)])


def test_parts_that_are_missing_are_not_filled_with_black() -> None:
    whole = bytearray(tiff(values("float64"), rowsperstrip=4, compression="zlib"))
    at = whole.index(struct.pack("<HHI", 273, 4, 5))  # the strips' offsets: claim one instead of five
    whole[at : at + 8] = struct.pack("<HHI", 273, 4, 1)
    assert "damaged or truncated (1 of 5 parts are present)" in refusal(bytes(whole))


def test_sizes_are_judged_before_anything_is_decoded() -> None:
    def header(width: int, height: int, samples: int) -> bytes:
        tags = [
            (256, width),
            (257, height),
            (258, 64),
            (259, 1),
            (262, 1),
            (273, 8),
            (277, samples),
            (278, height),
        ]
        tags += [(279, 8), (339, 3)]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4

    assert "megapixels" in refusal(header(MAX_PIXELS, 2, 1))
    assert "200 bands of 64-bit floats take 160.0 GB, at most 1.4 GB" in refusal(header(10_000, 10_000, 200))
    assert "0 x 5 pixels" in refusal(header(0, 5, 1))
    assert "damaged" in refusal(b"II*\0" + b"\xff" * 40)
    assert "damaged" in refusal(b"II*\0")
