"""The image loader: every unusual input becomes an upright RGB image or one error message."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import ImageError
from instructsam.images.limits import MAX_PIXELS
from instructsam.images.loader import load_image, load_smaller


def sample_image(height: int = 24, width: int = 40) -> Image.Image:
    """Four flat quarters: red, green / blue, yellow. Lossy formats keep them recognisable."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (250, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 250, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 250)
    pixels[height // 2 :, width // 2 :] = (250, 250, 0)
    return Image.fromarray(pixels)


def as_array(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no pixel data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def failure(source: object) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


# What an EXIF-aware viewer does to the stored pixels, for each orientation; storing needs the inverse.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_every_exif_orientation_gives_the_same_upright_image(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    upright = sample_image()
    method = STORED[orientation]
    stored = upright if method is None else upright.transpose(method)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    stored.save(path, exif=exif.tobytes() if suffix != ".tif" else exif, quality=95)
    loaded = load_image(path)
    assert loaded.image.size == upright.size
    assert np.abs(as_array(loaded.image) - as_array(upright)).mean() < 6
    again = load_image(loaded.image)
    assert again.image.tobytes() == loaded.image.tobytes(), "the orientation must be applied once only"


def test_damaged_exif_keeps_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"
    sample_image().save(path, exif=b"Exif\0\0XX" + b"\xff" * 30, quality=95)
    assert load_image(path).image.size == (40, 24)

    def broken(_: Image.Image) -> Image.Exif:  # what Pillow raises on some damaged blocks
        raise struct.error("unpack requires a buffer of 2 bytes")

    monkeypatch.setattr("PIL.Image.Image.getexif", broken)
    loaded = load_image(path)
    assert loaded.image.size == (40, 24)
    assert "EXIF" in loaded.notes[0]


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    expected = [[0, 1, 128, 255]]
    for suffix in (".png", ".tif"):
        path = tmp_path / f"deep{suffix}"
        Image.fromarray(values).save(path)
        assert as_array(load_image(path).image)[..., 0].tolist() == expected
    (tmp_path / "deep.pgm").write_bytes(b"P5 4 1 65535\n" + values.astype(">u2").tobytes())
    assert as_array(load_image(tmp_path / "deep.pgm").image)[..., 1].tolist() == expected


def test_sixteen_bit_colour_png_is_scaled(tmp_path: Path) -> None:
    rows = b"\0" + struct.pack(">6H", 65535, 32896, 0, 257, 65535, 0)
    path = tmp_path / "deep.png"

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    assert as_array(load_image(path).image).tolist() == [[[255, 128, 0], [1, 255, 0]]]


def test_float_images_are_stretched_with_a_note() -> None:
    loaded = load_image(Image.fromarray(np.array([[-1.0, 0.0, 1.0]], np.float32)))
    assert as_array(loaded.image)[..., 0].tolist() == [[0, 128, 255]]
    assert loaded.notes == ("32-bit float data: values -1 to 1 are mapped to 0..255",)


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode: str) -> None:
    loaded = load_image(Image.new("RGB", (5, 4), "white").convert(mode))
    assert loaded.notes == ()
    assert as_array(loaded.image).min() >= 253


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    sample_image().convert("CMYK").save(path, quality=95)
    assert np.abs(as_array(load_image(path).image) - as_array(sample_image())).mean() < 8


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_put_on_white_and_said(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.putpixel((2, 0), (0, 0, 0, 128))
    path = tmp_path / "shape.png"
    image.convert(mode).save(path)
    loaded = load_image(path)
    assert as_array(loaded.image)[0, :, 0].tolist() == [0, 255, 127]
    assert "white" in loaded.notes[0]
    assert load_image(Image.new(mode, (3, 1))).image.getpixel((0, 0)) == (255, 255, 255)


def test_opaque_alpha_needs_no_note() -> None:
    assert load_image(sample_image().convert("RGBA")).notes == ()


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    path = tmp_path / "icon.png"
    image.save(path, transparency=1)
    loaded = load_image(path)
    assert as_array(loaded.image).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert "white" in loaded.notes[0]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_animation_gives_its_first_frame_and_says_so(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    path = tmp_path / f"moving{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    loaded = load_image(path)
    assert loaded.image.getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=2)
    assert "first" in loaded.notes[0]
    still = tmp_path / f"still{suffix}"
    frames[0].save(still)
    assert load_image(still).notes == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
def test_extreme_shapes_are_loaded(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "thin.png")
    assert load_image(tmp_path / "thin.png").image.size == size


def test_huge_header_is_refused_before_decoding_and_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(100_000, 100_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = failure(path)
    assert "100000 x 100000 pixels" in message
    assert "megapixels" in message


def test_just_too_large_is_refused_and_below_is_not_judged_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_header(MAX_PIXELS // 1000 + 1, 1000))
    assert "megapixels" in failure(path)
    path.write_bytes(png_header(120_000, 1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "truncated" in failure(path), "120 megapixels are allowed, only the pixels are missing"


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF"])
def test_truncated_files(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, name)
    path = tmp_path / "cut"
    for part in (0.02, 0.5, 0.8):
        path.write_bytes(stream.getvalue()[: max(12, int(len(stream.getvalue()) * part))])
        assert failure(path).startswith(str(path))


def test_files_that_are_not_images(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("this is no picture")
    assert "not an image" in failure(text)
    assert "PNG" in failure(text)
    text.write_bytes(b"")
    assert "empty (0 bytes)" in failure(text)
    text.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    assert "not an image" in failure(text), "formats that start other programs stay out"
    text.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 12\n")
    assert "this is a Git LFS pointer" in failure(text)
    text.write_bytes(b"<!DOCTYPE html><title>404</title>")
    assert "this is a web page" in failure(text)
    text.write_bytes(b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')
    assert "not an image" in failure(text)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    assert "no such file" in failure(tmp_path / "absent.png")
    assert "no such file" in failure("")
    assert "folder" in failure(tmp_path)
    assert "not a valid path" in failure("a\0b.png")
    assert "cannot be read" in failure("x" * 5000)
    (tmp_path / "file").write_text("x")
    assert "cannot be read" in failure(tmp_path / "file" / "inside.png")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "no such file" in failure(tmp_path / "link")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in failure(tmp_path / "pipe")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.png"
    sample_image().save(path)
    if os.geteuid() == 0:  # root may read everything, so the refusal is played

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("instructsam.images.loader.open", refuse, raising=False)
    else:
        path.chmod(0)
    assert "no permission" in failure(path)


def test_arrays() -> None:
    pixels = np.asarray(sample_image())
    assert load_image(pixels).image.tobytes() == pixels.tobytes()
    assert load_image(pixels[:, ::-1]).image.tobytes() == np.ascontiguousarray(pixels[:, ::-1]).tobytes()
    assert as_array(load_image(np.full((2, 3), 7, np.uint8)).image).tolist() == [[[7, 7, 7]] * 3] * 2
    assert "got float64 [24, 40, 3]" in failure(pixels / 255.0)
    assert "[3, 24, 40]" in failure(pixels.transpose(2, 0, 1))
    assert "[24, 40, 4]" in failure(np.zeros((24, 40, 4), np.uint8))
    assert "0 x 5" in failure(np.zeros((5, 0, 3), np.uint8))
    assert "NoneType" in failure(None)


def test_the_callers_image_is_left_alone() -> None:
    image = sample_image()
    loaded = load_image(image)
    loaded.image.putpixel((0, 0), (1, 2, 3))
    assert image.getpixel((0, 0)) == (250, 0, 0)


def test_the_loader_needs_no_torch() -> None:
    code = "import sys, instructsam.images.loader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_smaller_image_is_near_the_whole_one_resized(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    whole = coarse.resize((1024, 768), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    whole.save(tmp_path / "plain.jpg", quality=90)
    whole.save(tmp_path / "turned.jpg", quality=90, exif=exif)
    whole.save(tmp_path / "plain.png")
    for name, size in (("plain.jpg", (192, 256)), ("turned.jpg", (250, 188)), ("plain.png", (100, 133))):
        small = load_smaller(tmp_path / name, size)
        assert (small.size, small.mode) == (size[::-1], "RGB")
        exact = load_image(tmp_path / name).image.resize(size[::-1], Image.Resampling.BILINEAR)
        apart = np.abs(np.asarray(small, np.int16) - np.asarray(exact, np.int16))
        assert apart.mean() < 1.5, name
        assert np.percentile(apart, 99) <= 8, name
