"""Images for a model card, from finished runs: `python tools/card_pictures.py --run RUN --logs LOG ... --out DIR`.

RUN is the --out folder of `instructsam evaluate`. Its 12 best and 12 worst predictions become good.jpg and bad.jpg,
with the targets on the left and the predictions on the right. Each LOG is the log.jsonl of a training run; their loss
curves become curve.svg, one run after the other.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from instructsam.evaluation.benchmarks.names import get_benchmark
from instructsam.evaluation.reports.gallery import Shown, best_and_worst, draw_answers
from instructsam.evaluation.rescore import rescore
from instructsam.evaluation.runs.predictions import read_predictions
from instructsam.evaluation.runs.stored_run import benchmark_name, predictions_file, stored_threshold
from instructsam.images.loader import load_bytes
from instructsam.visualization.lettering import Lettering, clean, shorten, wrap

COLUMNS, CELL_WIDTH, WORDS_HEIGHT = 3, 500, 52  # px
LOSSES = {
    "mask_dice": "#0072b2",
    "box_giou": "#d55e00",
    "presence": "#009e73",
    "semantic_dice": "#cc79a7",
    "text": "#56b4e9",
    "see_kind": "#e69f00",
}
PLOT_WIDTH, PLOT_HEIGHT, PLOT_TOP = 720, 300, 1.0


def grid(answers: Sequence[Shown]) -> Image.Image:
    """Predictions in rows of three, each with its instruction, set gIoU and the generated phrases."""
    pictures = [load_bytes(base64.b64decode(answer.picture), answer.instruction).image for answer in answers]
    height = max(picture.height for picture in pictures) + WORDS_HEIGHT
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * CELL_WIDTH, rows * height), "white")
    draw, lettering = ImageDraw.Draw(page), Lettering(13)
    for number, (answer, picture) in enumerate(zip(answers, pictures, strict=True)):
        x, y = number % COLUMNS * CELL_WIDTH + 4, number // COLUMNS * height
        lines = wrap(answer.instruction, lettering, CELL_WIDTH - 16, 2)
        wrote = f"set gIoU {answer.score.set_giou:.2f}; wrote: {clean(answer.answer) or 'nothing'}"
        lines.append(shorten(wrote, lettering, CELL_WIDTH - 16))
        for line_number, line in enumerate(lines):
            lettering.draw(draw, x, y + 10 + 16 * line_number, line, (30, 30, 36))
        page.paste(picture, (x, y + WORDS_HEIGHT))
    return page


def curve(logs: Sequence[Path]) -> str:
    """Losses over minutes as SVG, the runs one after another with a dotted line between them."""
    minutes, seams = 0.0, []
    points: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in LOSSES}
    for log in logs:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        for name in LOSSES:
            own = [
                (minutes + row["seconds"] / 60, row["parts"][name]) for row in rows if name in row["parts"]
            ]
            points[name].append(own)
        minutes += rows[-1]["seconds"] / 60
        seams.append(minutes)
    scale_x, scale_y = (PLOT_WIDTH - 60) / minutes, (PLOT_HEIGHT - 50) / PLOT_TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}" font-size="12" '
        'font-family="sans-serif">',
        f'<rect width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}" fill="white"/>',
        f'<path d="M40 10V{PLOT_HEIGHT - 40}H{PLOT_WIDTH - 20}" fill="none" stroke="black"/>',
        f'<text x="6" y="18">{PLOT_TOP:g}</text><text x="6" y="{PLOT_HEIGHT - 40}">0</text>',
        f'<text x="{PLOT_WIDTH - 110}" y="{PLOT_HEIGHT - 24}">{minutes:.0f} minutes</text>',
    ]
    for seam in seams[:-1]:
        x = 40 + seam * scale_x
        parts.append(f'<path d="M{x:.1f} 10V{PLOT_HEIGHT - 40}" stroke="#888" stroke-dasharray="3 3"/>')
    for number, (name, color) in enumerate(LOSSES.items()):
        for line in filter(None, points[name]):
            places = " ".join(
                f"{40 + x * scale_x:.1f},{PLOT_HEIGHT - 40 - min(y, PLOT_TOP) * scale_y:.1f}" for x, y in line
            )
            parts.append(f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts.append(f'<text x="{50 + 112 * number}" y="{PLOT_HEIGHT - 6}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Write good.jpg, bad.jpg and curve.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--logs", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.run is not None:
        path = predictions_file(given.run)
        benchmark, threshold = get_benchmark(benchmark_name(path)), stored_threshold(path)
        report = rescore(path, benchmark, threshold)
        stored = {item.id: item for item in read_predictions(path)}
        for name, chosen in zip(("good", "bad"), best_and_worst(report.scores, 12), strict=True):
            drawn = draw_answers(benchmark, stored, chosen, threshold)
            grid([drawn[score.id] for score in chosen]).save(given.out / f"{name}.jpg", quality=82)
    if given.logs:
        (given.out / "curve.svg").write_text(curve(given.logs), encoding="utf-8")
    print(f"images in {given.out}")


if __name__ == "__main__":
    main()
