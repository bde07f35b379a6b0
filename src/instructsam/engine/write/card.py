"""The card of an exported data set: README.md with the front matter of the Hugging Face hub.

All names, licences and settings in it are escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from instructsam.engine.candidates import KINDS
from instructsam.engine.filters.report import FilterReport
from instructsam.engine.settings.write import Format, WriteSettings
from instructsam.engine.write.counts import TARGETS, ExportCounts
from instructsam.engine.write.provenance import RunFacts
from instructsam.engine.write.selected import Split
from instructsam.exports.dataset_card import front_matter
from instructsam.structures.safe_text import for_markdown, one_line
from instructsam.structures.tables import format_rows


def write_card(
    settings: WriteSettings,
    facts: RunFacts,
    splits: Mapping[Split, ExportCounts],
    dropped: FilterReport | None,
    left_out: Mapping[str, int],
) -> str:
    """The text of the card.

    Args:
        settings: with the name of the data set, and its formats.
        facts: of the run.
        splits: counts of every split that has images.
        dropped: by filters and balance.
        left_out: images and objects of the source that did not become rows, by reason.
    """
    formats = settings.formats
    parts = [
        _front_matter(settings, facts, splits),
        f"# {for_markdown(settings.name)}",
        _summary(splits),
        "## Load it\n\n" + "\n\n".join(_loading(splits, formats)),
        "## Contents\n\n" + _contents(splits),
        "## Origin\n\n" + _origin(facts, splits),
        "## Selection\n\n" + "\n\n".join(_selection(dropped, left_out)),
        "## Licences of the images\n\n" + _licences(splits),
        "## Limits\n\n" + _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


_LIMITS = """\
- Instructions were written by a model, and most answers were verified by a model alone: some are wrong.
- Masks are those of the source: what it does not annotate, no instruction means.
- Both models know some kinds of images and languages better than others, and so does this data set.
- Each image keeps the licence of its source; check it before you share or train on it."""


def _front_matter(settings: WriteSettings, facts: RunFacts, splits: Mapping[Split, ExportCounts]) -> str:
    return front_matter(
        settings.name,
        licences=[licence for counts in splits.values() for licence in counts.licences],
        tags=["inst2seg", "referring-segmentation", "instruction-segmentation", "instructsam"],
        count=sum(counts.records for counts in splits.values()),
        splits=list(splits) if "parquet" in settings.formats else [],
        language=facts.language,
    )


def _summary(splits: Mapping[Split, ExportCounts]) -> str:
    total = _sum(splits, "records"), _sum(splits, "images"), _sum(splits, "objects")
    return (
        f"{total[0]:,} instructions about {total[1]:,} images with {total[2]:,} objects. Each instruction names the "
        "instances that it means: none, one or several. Made with the data engine of InstructSAM."
    )


def _loading(splits: Mapping[Split, ExportCounts], formats: Sequence[Format]) -> Iterator[str]:
    first = next(iter(splits))
    val = " validation.share=0 validation.source=SET/val" if "val" in splits and "records" in formats else ""
    if "records" in formats:
        yield (
            f"Inst2Seg records, checked and trained on (`SET` is this folder):\n\n```bash\n"
            f"instructsam data check SET/{first}/records.jsonl\n"
            f"instructsam train --data SET/{first}/records.jsonl --model MODEL{val}\n```"
        )
    if "coco" in formats:
        yield (
            f"COCO with instructions, for InstructSAM and for any tool that reads COCO: `{first}/instances.json`. Each "
            "image has a list `instruction` of {instruction, annotation_ids}."
        )
    if "parquet" in formats:
        yield (
            f'```python\nfrom datasets import load_dataset\n\nimages = load_dataset("SET", split="{first}")\n'
            'images[0]["instructions"][0]  # its phrases name positions in images[0]["objects"]\n```'
        )


def _contents(splits: Mapping[Split, ExportCounts]) -> str:
    def row(name: str, values: Iterator[int]) -> list[str]:
        return [name, *(f"{value:,}" for value in values)]

    def counted(name: str) -> Iterator[int]:
        return (getattr(counts, name) for counts in splits.values())

    kinds = [kind for kind in KINDS if any(counts.kinds[kind] for counts in splits.values())]
    rows = [
        ["", *splits],
        row("images", counted("images")),
        row("objects", counted("objects")),
        row("instructions", counted("records")),
        *(
            row(f"with {name} targets", (counts.targets[name] for counts in splits.values()))
            for name in TARGETS
        ),
        *(row(f"kind: {kind}", (counts.kinds[kind] for counts in splits.values())) for kind in kinds),
        row("accepted by a person", counted("by_person")),
    ]
    return format_rows(rows, for_markdown)


def _origin(facts: RunFacts, splits: Mapping[Split, ExportCounts]) -> str:
    sources = sorted({source for counts in splits.values() for source in counts.sources})
    verify = facts.settings.get("verify", {})
    rounds = sorted({number for counts in splits.values() for number in counts.rounds})
    by_round = [
        [f"accepted in round {number}", f"{sum(c.rounds[number] for c in splits.values()):,}"]
        for number in rounds
    ]
    rows = [
        ["", "value"],
        ["images and objects", ", ".join(source or "unknown" for source in sources)],
        ["proposed by", facts.model],
        ["verified by", facts.verifier],
        *([name, str(verify[name])] for name in ("votes", "threshold", "rounds") if name in verify),
        *by_round,
        *([f"prompt and settings of {stage}", found] for stage, found in sorted(facts.stages.items())),
        ["all prompts", facts.prompts],
    ]
    return (
        f"{format_rows(rows, for_markdown)}\n\n`meta.engine` of each record has its model, verifier, digest of the "
        "prompts, round, votes, source and licence; `export.json` has the settings. Written by:\n\n"
        f"```bash\n{_code(facts.command)}\n```"
    )


def _selection(dropped: FilterReport | None, left_out: Mapping[str, int]) -> Iterator[str]:
    if left_out:
        rows = [["left out of the source", "count"]]
        yield format_rows(
            [*rows, *([reason, f"{left_out[reason]:,}"] for reason in sorted(left_out))], for_markdown
        )
    if dropped is None:
        yield "Nothing was dropped after verification."
        return
    found = dropped.to_dict()
    yield f"Of {found['candidates']:,} accepted candidates {found['kept']:,} were kept."
    if found["dropped"]:
        rows = [["dropped by", "reason", "count"]]
        rows += [[one["stage"], one["reason"], f"{one['count']:,}"] for one in found["dropped"]]
        yield format_rows(rows, for_markdown)


def _licences(splits: Mapping[Split, ExportCounts]) -> str:
    names = sorted({name for counts in splits.values() for name in counts.licences})
    rows = [["licence", "images"]]
    rows += [
        [name or "unknown", f"{sum(counts.licences[name] for counts in splits.values()):,}"] for name in names
    ]
    return format_rows(rows, for_markdown)


def _sum(splits: Mapping[Split, ExportCounts], name: str) -> int:
    return sum(getattr(counts, name) for counts in splits.values())


def _code(text: str) -> str:
    """One line inside a block of code."""
    return one_line(text).replace("`", "'")
