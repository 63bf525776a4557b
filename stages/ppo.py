"""Optimise the instructed model against the reward model by PPO, at a price for every nat that it moves."""

import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.command import command
from stages.hashing import path_hash
from stages.model.checkpoint import load_model, load_scalar_model, save_model
from stages.parameters import Metrics
from stages.progress import Progress
from stages.reinforcement.diagnostics import Phases, check_figures, summary
from stages.reinforcement.loop import Loop, Networks, Settings
from stages.reinforcement.networks import TransformerCritic, TransformerPolicy, critic_from_reward
from stages.reinforcement.pretraining import PretrainingSettings, pretraining_loss
from stages.reinforcement.rewards import head_weights
from stages.reinforcement.rollout import prepare_questions
from stages.reinforcement.samples import Sample, kept_samples, sampled_updates
from stages.text.demonstrations import Prompt
from stages.text.records import read_records, write_records
from stages.text.shards import TokenRows
from stages.text.tokenizer import Tokenizer
from stages.training.acceleration import (
    Acceleration,
    AccelerationSettings,
    Threads,
    accelerate,
    resolve,
    this_processor,
)
from stages.training.curves import Row, write_curves
from stages.training.resumption import newest_state, write_state

if TYPE_CHECKING:  # Lightning takes seconds to import and is not needed here
    from lightning.pytorch.loggers import Logger


class Params(Settings):
    """The settings of PPO, how fast it is computed, and what is kept of it."""

    pretraining: PretrainingSettings
    precision: Literal["auto", "fp32", "bf16"]
    """Type of the matrix products. auto: bf16 where the processor multiplies it."""
    threads: Threads
    """Threads of one matrix product. auto: all cores of this process."""
    checkpoint_updates: int = Field(gt=0)
    """Updates between two states that an interrupted run can continue from."""
    samples: int = Field(ge=0)
    """Responses kept of the first, the middle and the last rollout each."""


def build_networks(policy: Path, reward: Path, params: Params) -> Networks:
    """The four networks from two folders: the reference is the policy's start, and the critic starts as the reward."""
    model = load_model(policy)
    scorer = load_scalar_model(reward).requires_grad_(False)
    reference = copy.deepcopy(model).requires_grad_(False)
    return Networks(
        policy=TransformerPolicy(model, params.rollout.temperature),
        reference=TransformerPolicy(reference, params.rollout.temperature),
        reward=scorer,
        critic=TransformerCritic(critic_from_reward(scorer, head_weights(params.score))),
    )


def prepare(networks: Networks, params: Params) -> Acceleration:
    """Set the number format and the threads; rows come in too many lengths for compiled code to pay."""
    settings = AccelerationSettings(precision=params.precision, compile=False, threads=params.threads)
    acceleration = resolve(settings, this_processor(), arithmetic=0)
    for network in (networks.policy, networks.reference, networks.reward, networks.critic):
        accelerate(network, acceleration)
    return acceleration


def train(loop: Loop, params: Params, checkpoints: Path, logger: "Logger | None") -> tuple[list[Row], list[Sample]]:
    """Take the updates that are left; returns the rows of the curve and the kept samples of the whole run.

    Interrupted, it leaves the state before the update that it was in.
    """
    state = newest_state(checkpoints) or snapshot(loop, [], [])
    loop.restore(copy.deepcopy(state))  # an optimizer would go on to change the tensors that it is given
    rows, samples = list(state["rows"]), [Sample.parse(line) for line in state["samples"]]
    total = Phases()
    if logger is not None:
        for row in rows:  # its writer may have been killed too, before it wrote them all
            logger.log_metrics(row, int(row["step"]))
    try:
        with Progress("ppo", total=params.updates, unit="update", start=loop.update) as progress:
            while loop.update < params.updates:
                phases = Phases()
                step = loop.advance(phases)
                rows.append(step.figures)
                check_figures(rows)
                if loop.update in sampled_updates(params.updates):
                    samples += kept_samples(step, params.samples, loop.tokenizer)
                state = snapshot(loop, rows, samples)
                if loop.update % params.checkpoint_updates == 0:
                    write_state(checkpoints, loop.update, state)
                total.add(phases)
                progress.update(loop.update, reward=step.figures["reward"], kl=step.figures["kl"])
                if logger is not None:
                    logger.log_metrics({**step.figures, **phases.figures(step.experience.episodes)}, step=loop.update)
    except KeyboardInterrupt:
        write_state(checkpoints, state["update"], state)
        raise
    print(f"ppo: {total}", file=sys.stderr)
    return rows, samples


def snapshot(loop: Loop, rows: list[Row], samples: list[Sample]) -> dict[str, Any]:
    """A copy of all that the next update depends on, and of what is written at the end."""
    state = {"rows": rows, "samples": [sample.line() for sample in samples], **loop.state()}
    return copy.deepcopy(state)


def run(
    params: Params,
    policy: Path,
    reward: Path,
    prompts: Path,
    pretraining: Path,
    output: Path,
    checkpoints: Path,
    logger: "Logger | None",
) -> Metrics:
    """Train a copy of `policy` on the prompts of split `optimise`; write it, its critic, the curve and some samples."""
    tokenizer = Tokenizer.load(policy / "tokenizer")
    networks = build_networks(policy, reward, params)
    acceleration = prepare(networks, params)
    longest = networks.policy.model.config.context_length - params.rollout.max_new_tokens
    records = [prompt for prompt in read_records(prompts, Prompt) if prompt.split == "optimise"]
    questions = prepare_questions(records, tokenizer, longest)
    mix = pretraining_loss(networks.policy.model, TokenRows.load(pretraining), params.pretraining, params.seed)
    rows, samples = train(Loop(networks, questions, tokenizer, params, mix), params, checkpoints, logger)

    inputs = {"policy": policy, "reward": reward, "prompts": prompts, "pretraining": pretraining}
    record = {
        "parameters": params.model_dump(mode="json"),
        "recipe": {"acceleration": acceleration.record()},
        "inputs": {name: path_hash(path) for name, path in inputs.items()},
    }
    save_model(output / "model", networks.policy.model, policy / "tokenizer", record)
    save_model(output / "critic", networks.critic.model, policy / "tokenizer", record)
    write_curves(output / "curves.csv", rows)
    write_records(output / "samples.jsonl", samples)
    return {"prompts": len(questions), "prompts_too_long": len(records) - len(questions), **summary(rows)}


if __name__ == "__main__":
    command("ppo", run)
