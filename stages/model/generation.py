"""Text from a model, with randomness that belongs to the row and not to the batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stages.model.decoding import Cache, Decoder
from stages.model.transformer import Transformer

COMPACT_BELOW = 0.75
"""Share of unfinished rows under which the finished ones are taken out of the batch."""


@dataclass
class Generation:
    """What a model wrote after one prompt."""

    token_ids: list[int]
    """The stop token is the last one if it was sampled."""
    finish_reason: Literal["stop", "length"]
    log_probabilities: list[float]
    """Of each token under the whole distribution at the sampling temperature (at 1 when greedy), in nats."""


@dataclass
class _Batch:
    """The rows in flight; every tensor has the rows first."""

    cache: Cache
    length: Tensor
    """Tokens of each row that the cache holds."""
    token: Tensor
    """The token of each row that comes next."""
    uniforms: Tensor
    """[rows, max_new_tokens]"""
    temperatures: Tensor
    """[rows]"""
    place: Tensor
    """Where each row stands in the result."""

    def select(self, rows: Tensor) -> None:
        """Go on with these rows alone."""
        self.repeat(rows)
        self.uniforms, self.temperatures, self.place = self.uniforms[rows], self.temperatures[rows], self.place[rows]

    def repeat(self, rows: Tensor) -> None:
        """Let the rows of the result start from what these have read."""
        self.cache = [(keys[rows], values[rows]) for keys, values in self.cache]
        self.length, self.token = self.length[rows], self.token[rows]


def uniform_numbers(keys: Sequence[int], count: int) -> np.ndarray:
    """Numbers in [0, 1) of a key and a position alone, fp32 [keys, count].

    SplitMix64 (Steele, Lea and Flood 2014) with the position as its counter. 23 bits, so that the product with any
    fp32 sum of probabilities stays below that sum.
    """
    state = np.array(keys, dtype=np.uint64)[:, None]
    state = state + np.arange(1, count + 1, dtype=np.uint64)[None, :] * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    return ((state >> np.uint64(41)).astype(np.float64) / 2**23).astype(np.float32)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of tokens that holds `top_p` of the mass (Holtzman et al. 2020); not rescaled."""
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    outside = ordered.cumsum(-1) - ordered >= top_p
    return probabilities.masked_fill(outside.gather(-1, order.argsort(-1)), 0.0)


def choose(logits: Tensor, uniforms: Tensor, temperatures: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """A token for each row of fp32 logits [rows, vocabulary], and its log-probability; see `Generation`.

    Sampling inverts the cumulative distribution at `uniforms` [rows]; rows with temperature 0 are greedy.
    """
    greedy = temperatures == 0
    scaled = logits / temperatures.masked_fill(greedy, 1.0)[:, None]
    shifted = scaled - scaled.amax(-1, keepdim=True)
    weights = shifted.exp()
    total = weights.sum(-1, keepdim=True)
    cumulative = (nucleus(weights / total, top_p) if top_p < 1 else weights).cumsum(-1)
    tokens = torch.searchsorted(cumulative, uniforms[:, None] * cumulative[:, -1:], right=True)
    if greedy.any():
        tokens = torch.where(greedy[:, None], shifted.argmax(-1, keepdim=True), tokens)
    return tokens[:, 0], (shifted.gather(-1, tokens) - total.log())[:, 0]


def _prefill(decoder: Decoder, prompts: list[list[int]], uniforms: Tensor, temperatures: Tensor) -> _Batch:
    """A batch whose cache holds all of each prompt but its last token; equal prompts are read once."""
    device = uniforms.device
    distinct = list(dict.fromkeys(map(tuple, prompts)))
    longest = max(map(len, distinct))
    cache = decoder.empty_cache(len(distinct), longest + uniforms.shape[1])
    if longest > 1:
        # What stands right of a short prompt is overwritten before it is ever read.
        tokens = torch.tensor([[*prompt[:-1], *[0] * (longest - len(prompt))] for prompt in distinct], device=device)
        decoder.advance(cache, tokens, torch.zeros(len(distinct), dtype=torch.long, device=device))
    batch = _Batch(
        cache,
        length=torch.tensor([len(prompt) - 1 for prompt in distinct], device=device),
        token=torch.tensor([prompt[-1] for prompt in distinct], device=device),
        uniforms=uniforms,
        temperatures=temperatures,
        place=torch.arange(len(prompts), device=device),
    )
    if len(distinct) < len(prompts):
        index = {prompt: row for row, prompt in enumerate(distinct)}
        batch.repeat(torch.tensor([index[tuple(prompt)] for prompt in prompts], device=device))
    return batch


def _generate_batch(
    decoder: Decoder, prompts: list[list[int]], uniforms: Tensor, temperatures: Tensor, top_p: float, stop_id: int
) -> tuple[Tensor, Tensor]:
    """Tokens and log-probabilities [rows, max_new_tokens]; what comes after a stop token has no meaning."""
    batch = _prefill(decoder, prompts, uniforms, temperatures)
    tokens = torch.full(uniforms.shape, stop_id, device=uniforms.device)
    log_probabilities = torch.zeros_like(uniforms)
    running = torch.ones_like(batch.place, dtype=torch.bool)
    for step in range(uniforms.shape[1]):
        hidden = decoder.advance(batch.cache, batch.token[:, None], batch.length)[:, 0]
        batch.token, chosen = choose(decoder.model.logits(hidden), batch.uniforms[:, step], batch.temperatures, top_p)
        batch.length = batch.length + 1
        tokens[batch.place, step] = batch.token
        log_probabilities[batch.place, step] = chosen
        running &= batch.token != stop_id
        left = int(running.sum())
        if left == 0:
            break
        if left < COMPACT_BELOW * len(running):
            batch.select(running.nonzero()[:, 0])
            running = running[running]
    return tokens, log_probabilities


@torch.inference_mode()
def generate(
    model: Transformer,
    prompts: Sequence[list[int]],
    *,
    max_new_tokens: int,
    temperature: float | Sequence[float],
    top_p: float,
    stop_id: int,
    keys: Sequence[int],
    batch_size: int,
    progress: Callable[[int], None] | None = None,
) -> list[Generation]:
    """Continue each prompt until `stop_id` or `max_new_tokens`; temperature 0 is greedy, a list has one per prompt.

    `keys` holds a 64-bit number per row: what a row samples depends on its own key, prompt and position, not on its
    neighbours. `top_p` narrows what is sampled, not the log-probabilities. `progress` is told after each batch how many
    prompts are done. ValueError if a prompt is empty or too long to leave `max_new_tokens` in the context.
    """
    room = model.config.context_length - max_new_tokens
    if not all(0 < len(prompt) <= room for prompt in prompts):
        raise ValueError(f"prompts must have 1 to {room} tokens to leave {max_new_tokens} in the context")
    uniforms = torch.from_numpy(uniform_numbers(keys, max_new_tokens)).to(model.cosines.device)
    temperatures = torch.as_tensor(temperature, dtype=torch.float32).expand(len(prompts)).to(uniforms.device)
    decoder = Decoder(model)
    results: list[Generation] = [Generation([], "length", [])] * len(prompts)
    # Rows of like length waste little padding, and equal prompts come together.
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), prompts[row]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = [prompts[row] for row in rows]
        tokens, chosen = _generate_batch(decoder, batch, uniforms[rows], temperatures[rows], top_p, stop_id)
        for row, ids, log_probabilities in zip(rows, tokens.tolist(), chosen.tolist(), strict=True):
            results[row] = _until_stop(ids, log_probabilities, stop_id)
        if progress:
            progress(start + len(rows))
    return results


def _until_stop(ids: list[int], log_probabilities: list[float], stop_id: int) -> Generation:
    if stop_id not in ids:
        return Generation(ids, "length", log_probabilities)
    end = ids.index(stop_id) + 1
    return Generation(ids[:end], "stop", log_probabilities[:end])
