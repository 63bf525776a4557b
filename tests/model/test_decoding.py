import pytest
import torch

from stages.model.decoding import Decoder
from stages.model.transformer import Transformer
from tests.specimens import small_config, uneven_model


@pytest.fixture(params=[("llama", 4), ("llama", 2), ("qwen2", 1), ("qwen3", 2)])
def model(request) -> Transformer:
    family, key_value_heads = request.param
    shape = {"width": 32, "heads": 4, "key_value_heads": key_value_heads, "tied": False}
    return uneven_model(small_config(50, family=family, **shape), deviation=0.2)


def test_reading_in_steps_gives_the_hidden_states_of_one_forward_pass(model):
    tokens = torch.randint(0, 50, (3, 20), generator=torch.Generator().manual_seed(1))
    decoder = Decoder(model)
    cache = decoder.empty_cache(rows=3, places=20)
    with torch.inference_mode():
        parts = [
            decoder.advance(cache, tokens[:, start:end], torch.full((3,), start))
            for start, end in ((0, 7), (7, 8), (8, 9), (9, 20))
        ]
        torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), atol=1e-5, rtol=1e-5)


def test_rows_may_stand_at_different_places(model):
    tokens = torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(2))
    lengths = torch.tensor([5, 9])
    decoder = Decoder(model)
    cache = decoder.empty_cache(rows=2, places=12)
    with torch.inference_mode():
        decoder.advance(cache, tokens, torch.zeros(2, dtype=torch.long))
        new = torch.tensor([[7], [8]])
        hidden = decoder.advance(cache, new, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = torch.cat((tokens[row, :length], new[row]))[None]
            torch.testing.assert_close(hidden[row, 0], model(alone)[0, -1], atol=1e-5, rtol=1e-5)
