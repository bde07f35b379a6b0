"""The main objective: masks, boxes, scores and text of the model's output, by the criterion."""

from __future__ import annotations

from instructsam.training.objectives import Objective, ObjectiveContext, ObjectiveLoss, Step


class Segmentation(Objective):
    """The criterion's loss on the phrases that the detector answers."""

    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__(context)
        self.criterion = context.criterion

    def forward(self, step: Step) -> ObjectiveLoss:
        """The loss of a step, with the parts of `CriterionOutput`."""
        outputs = step.detections()
        result = self.criterion(outputs.segmentation, step.targets, outputs.labels, step.divisors)
        return ObjectiveLoss(result.total, result.parts)
