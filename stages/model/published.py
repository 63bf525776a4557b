"""Weights that others have published: read from their folder, checked tensor by tensor, given rows for new tokens."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from stages.errors import ExitCode, StageError
from stages.model.checkpoint import WEIGHTS_FILE
from stages.model.hugging_face import model_config, refused
from stages.model.transformer import Transformer
from stages.pretrained import CONFIG_FILE

INDEX_FILE = f"{WEIGHTS_FILE}.index.json"
BUFFER = "rotary_emb.inv_freq"
"""Ends the name of a table that older files hold and the configuration gives."""

NAMED = 5
"""Of the tensors that do not fit, so many are named."""


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a published model; StageError if it is none."""
    path = folder / CONFIG_FILE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StageError(
            ExitCode.CONFIGURATION, "cannot read model", f"{path}: {error}", "Download it again."
        ) from error


def weight_files(folder: Path) -> list[Path]:
    """The files of its tensors: one, or those that an index names."""
    index = folder / INDEX_FILE
    if not index.is_file():
        return [folder / WEIGHTS_FILE]
    return [folder / name for name in sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))]


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors by name, in fp32."""
    try:
        parts = [load_file(path) for path in weight_files(folder)]
    except (OSError, ValueError, SafetensorError) as error:
        remedy = "Download it again; only safetensors are read."
        raise StageError(ExitCode.DATA, "cannot read weights", f"{folder}: {error}", remedy) from error
    named = {name: tensor.float() for part in parts for name, tensor in part.items()}
    return {name: tensor for name, tensor in named.items() if not name.endswith(BUFFER)}


def require_alike(folder: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """StageError that names tensors which are missing, too many or of another shape."""
    missing = [f"{name} is missing" for name in expected if name not in found]
    extra = [f"{name} has no place" for name in found if name not in expected]
    shapes = [
        f"{name} has shape {[*found[name].shape]} where {[*tensor.shape]} is expected"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if wrong := [*missing, *extra, *shapes]:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        where = f"{folder}: {'; '.join(wrong[:NAMED])}{more}"
        raise StageError(ExitCode.CONFIGURATION, "weights do not fit", where, "Use a whole model of a known family.")


def load_published(folder: Path, context_length: int) -> Transformer:
    """A published model in fp32, for texts of up to `context_length` tokens; StageError for one that is not ours.

    See `model_config` for what is refused. The output projection of a tied model is left out, as it is the embedding.
    """
    try:
        config = model_config(read_config(folder), context_length)
    except KeyError as error:
        raise refused(f"{folder / CONFIG_FILE} without {error}") from error
    weights = read_weights(folder)
    if config.tied:
        weights.pop("lm_head.weight", None)
    with torch.device("meta"):
        expected = Transformer(config).state_dict()
    require_alike(folder, weights, expected)
    model = Transformer(config)
    model.load_state_dict(weights)
    return model


def edges(folder: Path) -> tuple[int | None, int | None]:
    """The ids that the model has seen before and behind a text; of several, the first; one for the other if it is null.

    None for both where the configuration has neither.
    """
    config = read_config(folder)
    begin, end = (
        ids[0] if isinstance(ids, list) else ids for ids in (config.get("bos_token_id"), config.get("eos_token_id"))
    )
    return (begin if begin is not None else end), (end if end is not None else begin)


def resized(matrix: Tensor, size: int, known: int, copies: Mapping[int, int]) -> nn.Parameter:
    """Rows for `size` ids: the first `known` as they are, a new one as that which `copies` names, or their mean.

    The mean keeps what the others predict nearly as it was (Hewitt 2021,
    https://nlp.stanford.edu/~johnhew/vocab-expansion.html). Rows beyond the known ids only fill a matrix up.
    """
    old = matrix.detach()[:known]
    rows = torch.cat((old, old.mean(0, keepdim=True).expand(size - len(old), -1)))  # some tokenizers know more ids
    for new, like in copies.items():
        rows[new] = old[like]
    return nn.Parameter(rows)


def give_vocabulary(model: Transformer, size: int, known: int, copies: Mapping[int, int]) -> None:
    """Let the model have a vocabulary of `size` ids, of which its own are the first `known`; see `resized`."""
    model.config = model.config.model_copy(update={"vocabulary_size": size})
    for matrix in (model.model.embed_tokens, model.lm_head):
        if matrix is not None:
            matrix.weight = resized(matrix.weight, size, known, copies)
