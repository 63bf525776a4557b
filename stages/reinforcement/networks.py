"""Policy and critic as an update sees them: modules from episodes to one number per action.

The update asks nothing else of a network, so that its tests can put exact tables in the place of transformers.
"""

import torch
from torch import Tensor, nn

from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.reinforcement.episodes import ActionScores, Episodes


class TransformerPolicy(nn.Module):
    """A language model as a policy whose actions are drawn at `temperature` from its whole vocabulary."""

    def __init__(self, model: Transformer, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, episodes: Episodes) -> ActionScores:
        """Score the actions. The output projection, the dearest part, sees only positions that predict one."""
        mask = episodes.mask
        hidden = at_actions(self.model(episodes.tokens, None), episodes)[mask]
        log_distribution = torch.log_softmax(self.model.logits(hidden) / self.temperature, dim=-1)
        chosen = log_distribution.gather(1, episodes.actions[mask][:, None])[:, 0]
        entropies = -(log_distribution.exp() * log_distribution).sum(dim=-1)
        return ActionScores(scattered(chosen, mask), scattered(entropies, mask))


class TransformerCritic(nn.Module):
    """A scalar model whose only output is the expected return before each action."""

    def __init__(self, model: ScalarModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, episodes: Episodes) -> Tensor:
        """The values [B, R]."""
        values = at_actions(self.model(episodes.tokens, None), episodes)[..., 0]
        return torch.where(episodes.mask, values.float(), 0.0)


def critic_from_reward(reward: ScalarModel, weights: Tensor) -> ScalarModel:
    """A critic that begins as the reward model: its trunk, and its normalised heads in one, by `weights` [outputs].

    So the first values have the scale of the scores that they are to foresee.
    """
    critic = ScalarModel(reward.config, outputs=1)
    critic.trunk.load_state_dict(reward.trunk.state_dict())
    with torch.no_grad():
        critic.head.weight.copy_((weights * reward.gain) @ reward.head.weight)
        critic.head.bias.copy_(weights @ (reward.gain * reward.head.bias + reward.shift))
    return critic


def at_actions(positions: Tensor, episodes: Episodes) -> Tensor:
    """[B, R, width] of [B, T, width]: the position that predicts each action."""
    index = episodes.predecessors[:, :, None].expand(-1, -1, positions.shape[-1])
    return positions.gather(1, index)


def scattered(values: Tensor, mask: Tensor) -> Tensor:
    """A [B, R] tensor with `values`, in order, where the mask is true and zero elsewhere."""
    return torch.zeros(mask.shape, dtype=values.dtype).masked_scatter(mask, values)
