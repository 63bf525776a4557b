"""Conversations packed into rows of which only the assistants' words are learnt."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from stages.seeding import generator
from stages.text.packing import lay_out, pack
from stages.training.batches import Rows

Rendered = tuple[list[int], list[bool]]
"""Token ids of a conversation, and which of them are learnt."""


def fitting(conversations: Mapping[str, Rendered], context_length: int) -> dict[str, Rendered]:
    """Those that fit into a row; a longer one is left out, because to cut it would teach to stop in mid-sentence."""
    return {name: one for name, one in conversations.items() if len(one[0]) <= context_length + 1}


def conversation_rows(conversations: Mapping[str, Rendered], context_length: int, pad: int, seed: int) -> Rows:
    """Pack conversations that fit into rows, each isolated from its neighbours; the seed shuffles the rows."""
    pieces = pack([len(ids) for ids, _ in conversations.values()], context_length, generator(seed, "conversations"))
    ids = [np.array(ids, dtype=np.uint32) for ids, _ in conversations.values()]
    masks = [np.array(learnt, dtype=bool) for _, learnt in conversations.values()]
    tokens, segments = lay_out(ids, pieces, context_length, pad)
    learnt, _ = lay_out(masks, pieces, context_length, pad=False)
    names, held = [*conversations], defaultdict[int, list[str]](list)
    for piece in pieces:
        held[piece.row].append(names[piece.document])
    return Rows(tokens, segments, learnt, lambda index: [name for row in index for name in held[row]])
