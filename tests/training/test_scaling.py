import pytest

from stages.errors import StageError
from stages.training import scaling
from stages.training.scaling import ShapeSettings, model_shape

DERIVED = ShapeSettings(
    width=None,
    heads=None,
    key_value_heads=None,
    hidden_width=None,
    rope_theta=1e4,
    norm_epsilon=1e-5,
    tied=True,
)


@pytest.mark.parametrize(("depth", "width"), [(1, 64), (3, 128), (4, 192), (12, 512), (24, 1024), (32, 1344)])
def test_width_follows_from_depth_in_whole_heads_of_64(depth, width):
    shape = model_shape(depth, DERIVED, 4096, 512)
    assert (shape.width, shape.head_width, shape.layers) == (width, 64, depth)


def test_the_hidden_width_is_eight_thirds_rounded_up_to_32():
    assert model_shape(3, DERIVED, 4096, 512).hidden_width == 352  # 341.3


def test_what_is_written_out_wins():
    written = DERIVED.model_copy(update={"width": 96, "heads": 3, "key_value_heads": 1, "hidden_width": 100})
    shape = model_shape(5, written, 300, 64)
    assert (shape.width, shape.heads, shape.key_value_heads, shape.hidden_width) == (96, 3, 1, 100)
    assert (shape.vocabulary_size, shape.context_length) == (300, 64)


@pytest.mark.parametrize("wrong", [{"width": 100, "heads": 3}, {"width": 9, "heads": 3}, {"key_value_heads": 4}])
def test_a_shape_that_does_not_divide_is_refused_with_its_numbers(wrong):
    with pytest.raises(StageError, match="does not divide"):
        model_shape(9, DERIVED.model_copy(update=wrong), 4096, 512)


def test_the_rate_falls_with_the_width_and_the_batch_grows_with_the_root_of_the_budget():
    assert scaling.peak_learning_rate(128) == pytest.approx(8e-3)
    assert scaling.peak_learning_rate(768) == pytest.approx(1.333e-3, rel=1e-3)
    assert scaling.batch_tokens(3_000_000) == 4096
    assert scaling.batch_tokens(20_000_000_000) == 262_144
