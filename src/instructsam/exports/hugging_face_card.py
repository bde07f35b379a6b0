"""The card of an exported data set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from instructsam.exports.categories import Categories
from instructsam.exports.dataset_card import front_matter
from instructsam.exports.labelled_image import LabelledImage
from instructsam.structures.safe_text import for_markdown
from instructsam.structures.tables import format_rows

_LISTED = 50  # classes in the table
_LIMITS = """\
Objects were segmented and named by a model; not checked by people unless this card says so. Each image keeps the
licence of its source."""


@dataclass
class Contents:
    """Counts of a data set.

    Attributes:
        categories: numbers of the labels.
        images, instructions: their numbers.
        no_target: instructions that nothing matches.
        objects: by label, those without pixels are left out.
    """

    categories: Categories
    images: int = 0
    instructions: int = 0
    no_target: int = 0
    objects: Counter[str] = field(default_factory=Counter)

    def add(self, image: LabelledImage) -> None:
        """Count an image."""
        self.categories.add(image)
        self.images += 1
        self.instructions += len(image.predictions)
        self.no_target += sum(found.status == "no_target" for found in image.predictions)
        filled = (image.instances.areas > 0).tolist()
        self.objects.update(label for label, keep in zip(image.labels, filled, strict=True) if keep)


def write_card(contents: Contents, split: str, name: str, licence: str) -> str:
    """The text of README.md. All names and labels in it are escaped."""
    matter = front_matter(
        name,
        licences=[licence],
        tags=["instance-segmentation", "instructsam"],
        count=contents.images,
        splits=[split],
    )
    listed = contents.objects.most_common(_LISTED)
    rows = [["class", "objects"], *([label, f"{count:,}"] for label, count in listed)]
    classes = len(contents.categories.numbers)
    rest = classes - len(listed)
    more = f"\n\nand {rest:,} more classes" if rest else ""
    return "\n\n".join(
        [
            matter,
            f"# {for_markdown(name)}",
            f"{contents.images:,} images with {contents.objects.total():,} objects of {classes:,} "
            f"classes, found for {contents.instructions:,} instructions ({contents.no_target:,} without a target) by "
            "InstructSAM.",
            f'```python\nfrom datasets import load_dataset\n\nimages = load_dataset("SET", split="{split}")\n'
            'images[0]["objects"]  # images[0]["instructions"] name positions in them\n```',
            "```bash\ninstructsam train --data SET --model MODEL\n```",
            f"## Classes\n\n{format_rows(rows, for_markdown)}{more}",
            f"## Limits\n\n{_LIMITS}\n",
        ]
    )
