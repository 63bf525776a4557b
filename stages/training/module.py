"""A run as Lightning sees it: model, objective, optimizer, and all the state that the next step depends on."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from pydantic import Field
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from stages.cluster.ending import is_asked_to_end
from stages.errors import ExitCode, StageError
from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.parameters import Section
from stages.training.curves import Averages, Row
from stages.training.optimizer import OptimizerSettings, build_optimizers
from stages.training.ranks import most, summed, summed_loss
from stages.training.schedule import ScheduleSettings, learning_rate
from stages.training.sharding import load_part, sharded_copy, whole, whole_state

NAMED = 8
"""Of what a bad step read, so many are named."""


class MicroBatch(Protocol):
    """A part of a step that fits into memory."""

    @property
    def weight(self) -> int:
        """Its share of the step's mean: how many losses it sums."""

    @property
    def real_tokens(self) -> int:
        """Tokens read, padding left out."""


class Batches(Protocol):
    """What a run learns from, a function of the step."""

    def __call__(self, step: int) -> list[Any]:
        """The micro-batches of a step."""

    def names(self, step: int) -> list[str]:
        """What a step reads, by the names that its user knows: documents, demonstrations, prompts."""

    def share(self, rank: int, ranks: int) -> "Batches":
        """The part of every step that one of several ranks reads; together they read all of it once."""


Objective = Callable[[Any, Any], Tensor]
"""Model and micro-batch to the sum of the losses in it."""

Validate = Callable[[Any], dict[str, float]]
"""Model to named figures."""


class LoopSettings(Section):
    """What a run notes down, and how often; counted in optimizer steps."""

    log_steps: int = Field(gt=0)
    """Steps between two rows of the curves, which hold averages over them."""
    validation_steps: int = Field(gt=0)
    """Steps between two validations; the start and the end are always validated."""
    checkpoint_steps: int = Field(gt=0)
    """Steps between two states that an interrupted run can continue from."""


@dataclass(frozen=True)
class Plan:
    """A run: how long, how fast, how noted down."""

    title: str
    steps: int
    peak_learning_rate: float
    schedule: ScheduleSettings
    optimizer: OptimizerSettings
    loop: LoopSettings
    choose_by: str | None
    """Validation figure whose lowest value names the weights to keep; None keeps the last."""


@dataclass
class Progression:
    """How far a run is: with model and optimizer, all that its next step depends on."""

    step: int = 0
    tokens: int = 0
    rows: list[Row] = field(default_factory=list)
    validations: list[Row] = field(default_factory=list)
    """Figures of every validation, with the step they were taken after."""
    best: dict[str, Tensor] | None = None
    averages: Averages = field(default_factory=Averages)


class Training(LightningModule):
    """One optimizer step per batch, over as many micro-batches as it takes, with the gradient of their joint mean."""

    def __init__(
        self,
        model: Transformer | ScalarModel,
        objective: Objective,
        validate: Validate,
        plan: Plan,
        names: Callable[[int], list[str]],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model.train()  # nothing here has two modes; Lightning warns of a model that is not in this one
        self.objective = objective
        self.validate = validate
        self.plan = plan
        self.names = names
        self.progression = Progression()
        self.optimizer_list = build_optimizers(model, plan.optimizer)
        self.is_whole = True
        """False from the change of the weights until it is noted down: then no state may be written."""
        self.is_sharded = False
        """Whether this rank holds a part of the weights: then all take part in each use of them."""
        self.is_ending = False
        """Whether any of several ranks was asked to end before the last step."""

    def configure_model(self) -> None:
        """Take this rank's part of a copy of the weights and of the optimizers' states, if the strategy shards them."""
        if not isinstance(self.trainer.strategy, ModelParallelStrategy):
            return
        self.model = sharded_copy(self.model, self.device_mesh["data_parallel"])  # type: ignore[index]
        whole_optimizers, self.optimizer_list = self.optimizer_list, build_optimizers(self.model, self.plan.optimizer)
        for optimizer, before in zip(self.optimizer_list, whole_optimizers, strict=True):
            load_part(optimizer, before.state_dict())
        self.is_sharded = True

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimizers, made early so that a state can be loaded into them before Lightning starts."""
        return self.optimizer_list

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        plan = self.plan
        return learning_rate(self.progression.step, plan.steps, plan.peak_learning_rate, plan.schedule)

    def training_step(self, batch: list[MicroBatch], index: int) -> None:
        """Sum the micro-batches' gradients, divided by the weight of all of them on all ranks, and move once."""
        counts = [sum(micro.weight for micro in batch), sum(micro.real_tokens for micro in batch)]
        weight, tokens, asked = summed([*counts, is_asked_to_end()], self.device)
        losses = []
        for number, micro in enumerate(self.in_step(batch), start=1):
            with self.alone() if number < len(batch) else nullcontext():
                loss = self.objective(self.model, micro) * (number <= len(batch))
                # Ranks are averaged, where the sum is wanted.
                self.manual_backward(loss / weight * self.trainer.world_size)
            losses.append(loss.detach())
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.optimizer.gradient_clip)
        self.is_whole = False
        wrapped = self.optimizers()  # Lightning gives a list only if there are several
        for optimizer in cast(list[LightningOptimizer], wrapped if isinstance(wrapped, list) else [wrapped]):
            for group in optimizer.param_groups:
                group["lr"] = self.rate
            optimizer.step()
        self.model.zero_grad()
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        self.progression.averages.add(summed_loss(torch.stack(losses).sum()), weight, norm)
        self.progression.step += 1
        self.progression.tokens += tokens
        self.is_ending = bool(asked)

    def in_step(self, batch: list[MicroBatch]) -> list[MicroBatch]:
        """The micro-batches, some of them again, which do not count, where all ranks are to have equally many.

        So it is with sharded weights, which are gathered for each of them.
        """
        if not self.is_sharded:
            return batch
        return batch + batch[-1:] * (most(len(batch), self.device) - len(batch))

    def alone(self) -> AbstractContextManager[None]:
        """Without a word to the other ranks: of a step's gradients, they hear the sum.

        Not with sharded weights, whose gradients would exist whole until then.
        """
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, DDPStrategy) else nullcontext()

    def run_validation(self) -> None:
        """Validate, and keep a copy of the weights if they are the best so far."""
        figures = self.validate(self.model)
        self.progression.validations.append({"step": self.progression.step, **figures})
        key = self.plan.choose_by
        if key:
            weights = self.learnt()  # of all ranks, whatever each of them finds
            if figures[key] <= min(row[key] for row in self.progression.validations):
                self.progression.best = {name: weight.clone() for name, weight in weights.items()}

    def require_sound(self) -> None:
        """StageError that names what was read, if a loss or gradient since the last row was no number."""
        progression = self.progression
        if ago := progression.averages.unsound():
            step, names = progression.step - ago, self.names(progression.step - ago)
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise StageError(
                ExitCode.CONFIGURATION,
                "training diverged",
                f"a loss or gradient that is no number at step {step + 1}, which read {', '.join(names[:NAMED])}{more}",
                "Lower learning_rate, raise schedule.warmup_share, or look at what it read.",
            )

    def add_row(self) -> Row:
        """The averages since the last row as a new one, beside the newest validation; see `require_sound`."""
        self.require_sound()
        progression = self.progression
        averages = progression.averages.row()
        validation = {name: value for name, value in progression.validations[-1].items() if name != "step"}
        row = {
            "step": progression.step,
            "tokens": progression.tokens,
            "loss": averages["loss"],
            "learning_rate": self.optimizer_list[0].param_groups[0]["lr"],
            "gradient_norm": averages["gradient_norm"],
            **validation,
        }
        progression.rows.append(row)
        progression.averages.restart()
        return row

    def learnt(self) -> dict[str, Tensor]:
        """The weights that training moves, by name, see `sharding.whole`; all others are as its inputs have them."""
        return {name: whole(one.detach()) for name, one in self.model.named_parameters() if one.requires_grad}

    def load_learnt(self, weights: dict[str, Tensor]) -> None:
        """Take back what `learnt` returned."""
        self.model.load_state_dict(self.model.state_dict() | weights)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain values; see `require_sound`."""
        self.require_sound()
        progression = self.progression
        return {
            "step": progression.step,
            "tokens": progression.tokens,
            "rows": progression.rows,
            "validations": progression.validations,
            "best": progression.best,
            "averages": vars(progression.averages),
            "model": self.learnt(),
            "optimizers": [whole_state(optimizer) for optimizer in self.optimizer_list],
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        averages = Averages()
        vars(averages).update(state["averages"])
        taken = {name: state[name] for name in ("step", "tokens", "rows", "validations", "best")}
        self.progression = Progression(**taken, averages=averages)
        self.load_learnt(state["model"])
        for optimizer, saved in zip(self.optimizer_list, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["random"])
