"""The parameters that every measuring stage has."""

from pydantic import Field

from stages.parameters import Section
from stages.scoring.answers import Sampling
from stages.scoring.intervals import Resampling


class MeasuringSettings(Section):
    """How answers, and the intervals around what is measured, are drawn."""

    seed: int
    """Of everything drawn: choice of documents, items, prompts and examples; answers; resamples."""
    resamples: int = Field(gt=0)
    """Bootstrap resamples behind an interval."""
    confidence: float = Field(gt=0, lt=1)
    """Share of resamples inside an interval."""
    sampling: Sampling

    @property
    def resampling(self) -> Resampling:
        """How intervals are drawn."""
        return Resampling(resamples=self.resamples, confidence=self.confidence, seed=self.seed)
