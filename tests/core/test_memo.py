"""Memo: an answer is worked out once, within a bound of memory, and nobody can change what is kept."""

import numpy as np

from thirtyfold.core.memo import Memo, key_of


def test_once_and_only_once() -> None:
    memo, asked = Memo(1000), []

    def make() -> np.ndarray:
        asked.append(1)
        return np.arange(3.0)

    first = memo.once("a", make)
    first[:] = -1
    np.testing.assert_array_equal(memo.once("a", make), [0.0, 1.0, 2.0])
    assert len(asked) == 1


def test_the_least_recently_asked_goes_first() -> None:
    memo, asked = Memo(2 * 80), []

    def make(name: str) -> np.ndarray:
        return memo.once(name, lambda: asked.append(name) or np.zeros(10))

    for name in ("a", "b", "a", "c", "a", "b"):
        make(name)
    assert asked == ["a", "b", "c", "b"]


def test_the_key_tells_model_shape_and_every_number_apart() -> None:
    x = np.zeros((2, 3), dtype=np.float32)
    other = x.copy()
    other[1, 2] = 1e-30
    keys = {key_of("m", x), key_of("n", x), key_of("m", x.reshape(3, 2)), key_of("m", other), key_of("m", x[:1])}
    assert len(keys) == 5
    assert key_of("m", x) == key_of("m", np.asfortranarray(x))
