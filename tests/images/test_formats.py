"""Which reader opens what: by content, from a list; large texts, deep colour, HEIC, EPS."""

from __future__ import annotations

import ast
import builtins
import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from instructsam.errors import ImageError, RecordError
from instructsam.images.folders import IMAGE_SUFFIXES
from instructsam.images.loader import load_bytes, load_image, read_size, size_mismatch

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 34, 3), dtype=np.uint8))


def stored(kind: str, image: Image.Image = PICTURE, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def deep_png(samples: np.ndarray, colour_type: int, extra: bytes = b"") -> bytes:
    height, width = samples.shape[:2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    more = chunk(b"tRNS", extra) if extra else b""
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_only_the_loader_opens_images() -> None:
    callers = []
    for folder in ("src", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Image.open", "PIL.Image.open"):
                    callers.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert callers == []


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_an_eps_starts_no_other_program(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)
    monkeypatch.setattr("subprocess.Popen", started)
    path = tmp_path / name
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    for read in (load_image, read_size):
        with pytest.raises(ImageError, match="not an image that can be read"):
            read(path)
    with Image.open(path) as opened, pytest.raises(ImageError, match="Ghostscript"):
        load_image(opened)


@pytest.mark.parametrize("content", [b"", b"x", b"\x0c", b"BM"])
def test_a_file_of_a_few_bytes_is_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for read in (load_image, read_size):
        with pytest.raises(ImageError, match=r"a\.png"):
            read(path)


def test_readers_of_published_formats_use_the_loader(tmp_path: Path) -> None:
    from instructsam.data.formats.roborefit import _read_mask
    from instructsam.data.formats.source import Node

    path, node = tmp_path / "a.png", Node({}, tmp_path / "f.json")
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    bomb += struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb += struct.pack(">I", zlib.crc32(bomb[12:])) + struct.pack(">I", 0) + b"IDAT"
    for content, words in ((b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"), (bomb, "megapixels")):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=words):
            _read_mask(path, node)
        with pytest.raises(ImageError, match=words):
            read_size(path)


@pytest.mark.parametrize("kind", ["text", "profile", "many"])
def test_large_texts_and_profiles_of_a_png_do_not_matter(tmp_path: Path, kind: str) -> None:
    info = PngImagePlugin.PngInfo()
    if kind == "text":
        info.add_itxt("prompt", "x" * 2_000_000, zip=True)
    elif kind == "many":
        for number in range(70):
            info.add_text(f"key {number}", "y" * 1_000_000, zip=True)
    profile = b"z" * 3_000_000 if kind == "profile" else None
    path = tmp_path / "a.png"
    PICTURE.save(path, pnginfo=info, icc_profile=profile, exif=turned(6))
    limits = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
    result = load_image(path)
    assert result.image.tobytes() == PICTURE.transpose(Image.Transpose.ROTATE_270).tobytes()
    assert "EXIF" in result.notes[0]
    assert read_size(path) == (34, 20)
    assert limits == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


def test_a_cut_png_with_texts_is_still_damaged() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b")
    content = stored("PNG", pnginfo=info)
    with pytest.raises(ImageError, match="damaged or truncated"):
        load_bytes(content[: len(content) // 2], "a.png")


@pytest.mark.parametrize(("colour_type", "bands"), [(2, 3), (6, 4), (4, 2)])
def test_deep_colour_png_uses_its_range(colour_type: int, bands: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (9, 7, bands))
    grey[0, 0, 0] = 255
    if bands in (2, 4):
        grey[..., -1] = 255
    deep = grey * 16
    if bands in (2, 4):
        deep[..., -1] = 65535
    result = load_bytes(deep_png(deep, colour_type), "a.png")
    want = grey[..., :3] if bands > 2 else grey[..., :1].repeat(3, axis=2)
    assert np.abs(np.asarray(result.image).astype(int) - want).max() <= 1
    assert result.notes == ("16-bit data: values 0 to 4095 are mapped to 0..255",)


def test_deep_png_keeps_the_colour_that_it_calls_transparent() -> None:
    samples = np.full((2, 2, 3), 65535)
    samples[0, 0] = (256, 256, 256)
    content = deep_png(samples, 2, struct.pack(">HHH", 256, 256, 256))
    result = load_bytes(content, "a.png")
    assert "white" in result.notes[-1]
    assert result.image.getpixel((0, 0)) == (255, 255, 255)


def test_deep_png_that_the_caller_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(deep_png(np.arange(60).reshape(4, 5, 3) * 50, 2))
    with Image.open(path) as opened:
        assert load_image(opened).image.tobytes() == load_image(path).image.tobytes()
        assert opened.convert("RGB").size == (5, 4)


@pytest.mark.parametrize("maximum", [4095, 65535])
def test_deep_colour_ppm(maximum: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (5, 6, 3))
    grey[0, 0] = 255
    data = (grey * 16 + grey // 16).astype(">u2").tobytes()
    result = load_bytes(b"P6 6 5 %d\n" % maximum + data, "a.ppm")
    assert np.abs(np.asarray(result.image).astype(int) - grey).max() <= 1
    assert bool(result.notes) == (maximum == 65535)
    with pytest.raises(ImageError, match="truncated"):
        load_bytes(b"P6 6 5 %d\n" % maximum + data[:-2], "a.ppm")


def test_a_dark_pgm_that_states_its_white_stays_dark() -> None:
    result = load_bytes(b"P5 2 1 4095\n" + np.array([0, 409], ">u2").tobytes(), "a.pgm")
    assert np.asarray(result.image)[0, :, 0].tolist() == [0, 25]
    assert result.notes == ()


def test_heic_is_read_with_the_plug_in(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(path)
    result = load_image(path)
    assert result.image.size == (64, 48)
    assert np.abs(np.asarray(result.image).astype(int)[20, 20] - (255, 0, 0)).max() < 12
    assert read_size(path) == (48, 64)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ImageError, match="damaged"):
        load_image(path)


def test_heic_without_the_plug_in_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("pillow_heif"):
            raise ImportError(name)
        return real(name, *arguments)

    for module in [name for name in sys.modules if name.startswith("pillow_heif")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without)
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    with pytest.raises(ImageError, match=r"pip install 'instructsam\[heif\]'"):
        load_bytes(content, "a.heic")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jfif", "JPEG"),
        ("a.JPE", "JPEG"),
        ("a.dib", "DIB"),
        ("b.dib", "BMP"),
        ("a.j2k", "JPEG2000"),
        ("a.jp2", "JPEG2000"),
        ("a.avif", "AVIF"),
    ],
)
def test_rare_suffixes_are_images(tmp_path: Path, name: str, kind: str) -> None:
    options = {"no_jp2": True} if name.endswith("j2k") else {}
    (tmp_path / name).write_bytes(stored(kind, **options))
    assert Path(name).suffix.lower() in IMAGE_SUFFIXES
    assert load_image(tmp_path / name).image.size == PICTURE.size
    assert {".heic", ".heif"} <= IMAGE_SUFFIXES


def test_a_rotated_image_gets_a_note(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    PICTURE.save(path, exif=turned(6))
    assert load_image(path).notes == (
        "rotated by its EXIF orientation: 34 x 20 px in the file, 20 x 34 px here",
    )
    PICTURE.save(path, exif=turned(3))
    assert load_image(path).notes == ("rotated by its EXIF orientation",)
    PICTURE.save(path, exif=turned(1))
    assert load_image(path).notes == ()


def test_a_size_that_exif_explains_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    PICTURE.save(path, exif=turned(6))
    found = load_image(path).image
    message = size_mismatch(path, (found.height, found.width), (20, 34))
    assert message.startswith(f"{path}: the record states 34 x 20 px, the image has 20 x 34 because its EXIF")
    assert "EXIF" not in size_mismatch(path, (34, 20), (21, 34))
    PICTURE.save(path)
    assert "EXIF" not in size_mismatch(path, (20, 34), (34, 20))
    assert "EXIF" not in size_mismatch(tmp_path / "absent.jpg", (20, 34), (34, 20))
