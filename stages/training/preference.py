"""What a reward model learns from comparisons, and how well it does on those it did not see."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.model.scalar import ScalarModel
from stages.training.comparisons import PreferenceBatch


def preference_loss(model: ScalarModel, batch: PreferenceBatch, aspect_weight: float, centring: float) -> Tensor:
    """Summed over prompts: the mean over a prompt's pairs of the Bradley-Terry loss with vote shares as targets.

    All pairs of a prompt are in one batch and every answer is read once (Ouyang et al. 2022, section 3.5, who saw
    shuffled pairs overfit). To the loss of the first output comes `aspect_weight` times the mean of the others'.
    `centring` times the squared sum of each pair's outputs keeps them near 0, which differences leave open
    (Eisenstein et al. 2023, https://arxiv.org/abs/2312.09244, section 2).
    """
    outputs = model(batch.tokens, batch.segments).flatten(0, 1).index_select(0, batch.last)
    first, second = outputs[batch.first], outputs[batch.second]
    losses = F.binary_cross_entropy_with_logits(first - second, batch.targets, reduction="none")
    by_output = ((losses + centring * (first + second).square()) * batch.shares).sum(0)
    return by_output[0] + aspect_weight * by_output[1:].mean()


def raw_outputs(model: ScalarModel, batch: PreferenceBatch) -> Tensor:
    """Outputs [answers, outputs] at the last tokens, before gain and shift.

    The trunk runs as in training, for the reason that `validation.summed_loss` gives.
    """
    with torch.enable_grad():
        outputs = model(batch.tokens, batch.segments).detach()
    return outputs.flatten(0, 1).index_select(0, batch.last)


@torch.no_grad()
def all_outputs(model: ScalarModel, batches: Sequence[PreferenceBatch]) -> Tensor:
    """`raw_outputs` of batches in order, [answers, outputs]."""
    device = model.head.weight.device
    return torch.cat([raw_outputs(model, batch.to(device)) for batch in batches]).cpu()


@dataclass(frozen=True)
class HeldOutComparisons:
    """Held-out comparisons, judged by the first output."""

    batches: list[PreferenceBatch]

    @torch.no_grad()
    def __call__(self, model: ScalarModel) -> dict[str, float]:
        """Log-loss against the votes, mean over prompts; accuracy over the pairs whose votes are not split evenly."""
        device = model.head.weight.device
        loss, right, decided = 0.0, 0, 0
        for batch in self.batches:
            outputs = raw_outputs(model, batch.to(device)).cpu()[:, 0]
            difference = outputs[batch.first] - outputs[batch.second]
            targets, shares = batch.targets[:, 0], batch.shares[:, 0]
            loss += (F.binary_cross_entropy_with_logits(difference, targets, reduction="none") * shares).sum().item()
            ordered = targets != 0.5
            right += int(((difference > 0) == (targets > 0.5))[ordered].sum())
            decided += int(ordered.sum())
        prompts = sum(batch.prompts for batch in self.batches)
        return {"validation_loss": loss / max(prompts, 1), "validation_accuracy": right / max(decided, 1)}
