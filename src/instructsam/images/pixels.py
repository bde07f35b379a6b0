"""From samples of any bit depth, band count and meaning to 8-bit RGB.

Data of more than 8 bits are mapped linearly. The range is the smallest power of two that holds all values, so that
12-bit data in a 16-bit file look like their 8-bit copy; data that use less than a quarter of that range, or have
negative values, are mapped from their lowest to their highest value. A note says which range was used. 8-bit data and
16-bit data that use all their bits keep their values, without a note.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import ImageError

_NARROW = 4  # a range this many times wider than the data would remove its contrast
_OUTLIER = 15  # spans of the usual values; values further away are dead or hot pixels
_USUAL = (0.1, 99.9)  # percentiles
_SAMPLE = 1_000_000  # values from which the percentiles are computed
_NO_DATA = 1e38  # the lowest float32, usual for "no data", lies beyond
_FULL_16_BIT = (0.0, 65535.0)


@dataclass(frozen=True)
class Meaning:
    """How samples [H, W, C] are interpreted.

    Attributes:
        colour: the first three bands are red, green and blue; else one band is grey, and of more than two bands the
            first three are shown.
        alpha: index of the opacity band.
        premultiplied: colours are already multiplied by it.
        inverted: 0 is white.
        nodata: value of pixels without data.
        transparent: values [C] of pixels that are transparent.
        full_range: the samples are known to use all bits of their type.
    """

    colour: bool = False
    alpha: int | None = None
    premultiplied: bool = False
    inverted: bool = False
    nodata: float | None = None
    transparent: tuple[int, ...] | None = None
    full_range: bool = False


def samples_to_rgb(
    samples: NDArray[np.generic], meaning: Meaning, name: str, notes: list[str]
) -> Image.Image:
    """Samples [H, W, C] of any real type as an RGB image; conversions are added to `notes`.

    Raises:
        ImageError: the values are complex, or none is finite.
    """
    if samples.dtype.kind not in "buif":
        raise ImageError(
            f"{name}: {samples.dtype} samples are not supported, integers or floats were expected"
        )
    bands = [band for band in range(samples.shape[2]) if band != meaning.alpha]
    shown = bands[:3] if meaning.colour or len(bands) > 2 else bands[:1]
    shown = shown if len(shown) == 3 else [bands[0]] * 3
    if len(bands) not in (1, 3) or (len(bands) == 3 and not meaning.colour):
        notes.append(bands_note(len(bands), colour=shown[0] != shown[1]))
    used_bands = sorted(set(shown))
    values = to_bytes(samples[..., used_bands], meaning, name, notes)
    if meaning.inverted:
        values = 255 - values
    image = Image.fromarray(np.ascontiguousarray(values if len(used_bands) == 3 else values.repeat(3, 2)))
    opacity = _opacity(samples, meaning, bands)
    if opacity is None:
        return image
    if meaning.premultiplied:
        image = _straight(image, opacity)
    return on_white(image, Image.fromarray(opacity), notes)


def bands_note(bands: int, colour: bool) -> str:
    """The note for an image with more bands than are shown."""
    used = "the first three are shown as colours" if colour else "the first is shown as grey"
    return f"{bands} bands: {used}"


def to_bytes(values: NDArray[np.generic], meaning: Meaning, name: str, notes: list[str]) -> NDArray[np.uint8]:
    """Values of any real type, mapped to 0..255 together; missing ones become 0.

    Raises:
        ImageError: no value is finite.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8)
    if values.dtype == np.bool_:
        return np.where(values, 255, 0).astype(np.uint8)
    missing = _missing(values, meaning.nodata)
    known = values.ravel() if missing is None else values[~missing]
    if not known.size:
        raise ImageError(f"{name}: the image has no finite value, only NaN or nodata")
    if missing is not None:
        notes.append(f"{int(missing.sum())} values without data (NaN or nodata) are shown as black")
    low, high, cut = _range_in_use(known)
    del known
    white = 65535.0 if meaning.full_range else _white(high, values.dtype.kind)
    narrow = low < 0 or (high > low and white > _NARROW * (high - low))
    black, white = (low, high) if narrow and not meaning.full_range else (0.0, white)
    if values.dtype != np.uint16 or (black, white) != _FULL_16_BIT:
        outliers = ", outliers cut" if cut else ""
        notes.append(
            f"{_described(values.dtype)} data: values {black:g} to {white:g} are mapped to 0..255{outliers}"
        )
    if values.dtype == np.uint16:
        made: NDArray[np.uint8] = _scaled(np.arange(65536, dtype=np.float32), black, white)[values]
    else:
        exact = np.float64 if values.dtype.itemsize > 4 or values.dtype.kind in "iu" else np.float32
        made = _scaled(values.astype(exact), black, white)
    if missing is not None:
        made[missing] = 255 if meaning.inverted else 0
    return made


def on_white(image: Image.Image, opacity: Image.Image, notes: list[str]) -> Image.Image:
    """The RGB image composited on white by its opacity (mode L); adds a note when any of it is transparent."""
    if opacity.getextrema()[0] == 255:
        return image
    notes.append("transparent parts are shown on white")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=opacity)
    return canvas


def _straight(image: Image.Image, opacity: NDArray[np.uint8]) -> Image.Image:
    """The colours divided by the opacity that they were multiplied by."""
    share = np.maximum(opacity, 1).astype(np.float32)[..., None] / 255
    return Image.fromarray(np.minimum(np.rint(np.asarray(image) / share), 255).astype(np.uint8))


def _missing(values: NDArray[np.generic], nodata: float | None) -> NDArray[np.bool_] | None:
    """True for pixels without data; None when there are none."""
    found: NDArray[np.bool_] | None = None
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # half precision cannot hold the bound
            found = ~(np.abs(values.astype(np.float64)) < _NO_DATA)
    if nodata is not None and not math.isnan(nodata):
        same = values == np.asarray(nodata).astype(values.dtype if values.dtype.kind == "f" else np.float64)
        found = same if found is None else found | same
    return found if found is not None and found.any() else None


def _range_in_use(known: NDArray[np.generic]) -> tuple[float, float, bool]:
    """Lowest and highest value, and whether outliers were excluded."""
    low, high = float(known.min()), float(known.max())
    sample = known[:: -(-known.size // _SAMPLE)].astype(np.float64)
    usual_low, usual_high = (float(value) for value in np.percentile(sample, _USUAL))
    span = usual_high - usual_low
    cut_low = span > 0 and usual_low - low > _OUTLIER * span
    cut_high = span > 0 and high - usual_high > _OUTLIER * span
    return usual_low if cut_low else low, usual_high if cut_high else high, bool(cut_low or cut_high)


def _white(high: float, kind: str) -> float:
    """The value shown as white: the largest of the fewest bits that hold `high`, or for fractions a power of two."""
    if high <= 0:
        return 1.0
    if kind == "f" and high <= 1:
        return float(2.0 ** max(math.ceil(math.log2(high)), -1000))
    return float(2.0 ** math.floor(math.log2(max(math.ceil(high), 1)) + 1) - 1)


def _scaled(values: NDArray[np.floating], black: float, white: float) -> NDArray[np.uint8]:
    # In the type of the values, except where the range itself would overflow it.
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (values - values.dtype.type(black)) * values.dtype.type(255.0 / max(white - black, 1e-300))
        made: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(scaled, nan=0.0), 0, 255)).astype(np.uint8)
    return made


def _described(dtype: np.dtype[np.generic]) -> str:
    kind = {"f": "-bit float", "i": "-bit signed", "u": "-bit"}[dtype.kind]
    return f"{8 * dtype.itemsize}{kind}"


def _opacity(samples: NDArray[np.generic], meaning: Meaning, bands: list[int]) -> NDArray[np.uint8] | None:
    if meaning.transparent is not None:
        key = np.array(meaning.transparent, dtype=np.int64)
        same = (samples[..., bands[: len(key)]] == key).all(axis=2)
        return np.where(same, 0, 255).astype(np.uint8)
    if meaning.alpha is None:
        return None
    alpha = samples[..., meaning.alpha]
    if alpha.dtype == np.bool_:
        return np.where(alpha, 255, 0).astype(np.uint8)
    top = (
        1.0 if alpha.dtype.kind == "f" else 2.0 ** (8 * alpha.dtype.itemsize - (alpha.dtype.kind == "i")) - 1
    )
    return _scaled(alpha.astype(np.float32), 0.0, top)
