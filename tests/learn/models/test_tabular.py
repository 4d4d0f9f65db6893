"""The network for tables: what it makes of columns, what its members pay, and that its graph answers the same."""

import numpy as np
import pytest
import torch

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import SpecError
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn.losses.cross_entropy import CrossEntropy
from thirtyfold.learn.models.tabular import Tabular
from thirtyfold.learn.nets.columns import Each, Sizes, known, tabular
from thirtyfold.learn.nets.stems import drawn_by
from thirtyfold.testing.models import easy_table

SMALL = {"width": 24, "members": 4, "epochs": 8, "batch": 40}
SIZES = Sizes(4, 16, 2, 8, 3, "relu")


class Standard:
    """Every weight drawn alike."""

    def __call__(self, weight, generator):
        weight.normal_(0, 0.2, generator=generator)


def table(matrix, categories) -> Encoded:
    x = np.asarray(matrix, dtype=np.float32)
    return Encoded(x, tuple(f"x{i}" for i in range(x.shape[1])), categories, np.zeros(len(x)), None, 0)


def test_columns_are_measured_by_median_and_quartiles():
    x = np.array([[1, np.nan, 0], [2, 5, 1], [3, 5, 2], [4, 5, 0], [100, 5, np.nan]])
    found = known(table(x, (0, 0, 3)))
    assert found.numbers == [0, 1] and found.categories == [2] and found.codes == [3] and found.missing == [1]
    assert found.middle == [3.0, 5.0]
    assert found.spread == [2.0, 1.0]  # quartiles of 1, 2, 3, 4, 100 are 2 and 4; a constant keeps its own size


def test_rare_values_have_pieces_of_their_own():
    """Nine of ten rows are zero: by rows alone the other values would share one piece."""
    rare = np.concatenate([np.zeros(900), np.linspace(1, 100, 100)])
    (edges,) = known(table(rare[:, None], (0,))).edges
    assert len(edges) > 10 and edges[0] == 0 and edges == sorted(edges)


def test_every_member_pays_its_own_loss():
    torch.manual_seed(0)
    loss = Each(CrossEntropy())
    outputs, target = torch.randn(5, 3 * 4), torch.eye(4)[torch.arange(5) % 4]
    alone = [torch.nn.functional.cross_entropy(outputs[:, i : i + 4], target, reduction="none") for i in (0, 4, 8)]
    assert torch.allclose(loss(outputs, target), torch.stack(alone).mean(0), atol=1e-6)
    assert torch.allclose(loss(outputs[:, :4], target), alone[0], atol=1e-6)


@pytest.mark.step(16)
def test_the_answer_is_the_mean_of_the_members():
    rows = easy_table(3, "levels")
    net = tabular(known(rows), SIZES, 3, "softmax", [])
    drawn_by(net, Standard(), 0)
    x = torch.from_numpy(rows.matrix[:20])
    with torch.no_grad():
        members = net.train()(x).reshape(20, 4, 3).softmax(2)
        answer = net.eval()(x).softmax(1)
    assert torch.allclose(answer, members.mean(1), atol=1e-5)
    assert float((members[:, 0] - members[:, 1]).abs().max()) > 1e-3  # they start otherwise


def test_far_values_and_missing_ones_are_bent_in():
    rows = easy_table(2, "levels")
    model = Tabular(**SMALL)
    model.fit(rows, None, Quiet(seed=0))
    odd = rows.matrix[:6].copy()
    odd[0, 0], odd[1, 0], odd[2, :] = 1e30, -1e30, np.nan
    odd[3, 4] = 5
    raw = model.predict(odd)
    assert np.isfinite(raw).all() and np.allclose(raw.sum(1), 1, atol=1e-5)


@pytest.mark.step(20, 26)
def test_it_goes_on_from_what_it_has_learned():
    rows = easy_table(0, "levels")
    model = Tabular(**SMALL)
    model.fit(rows.take(np.arange(400)), rows.take(np.arange(400, 600)), Quiet(seed=0))
    again = Tabular.load(model.save())
    before = again.predict(rows.matrix)
    again.more(rows.take(np.arange(100)), None, Quiet(seed=1))
    after = again.predict(rows.matrix)
    assert not np.array_equal(before, after)
    assert np.abs(after - before).mean() < 0.5 * rows.target.std()  # it did not begin anew


def test_codes_are_not_blended():
    with pytest.raises(SpecError, match="codes of tokens"):
        Tabular(**SMALL, regularizers=["mixup"]).fit(easy_table(2, "levels"), None, Quiet(seed=0))
