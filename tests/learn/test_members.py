"""Losses, schedules and regularizers against their papers' formulas, PyTorch's own functions and hand calculation."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from thirtyfold.core.encoder import Block
from thirtyfold.core.errors import SpecError
from thirtyfold.core.family import Family

IMAGE, FRAMES = Block("image", (2, 5, 6)), Block("frames", (10, 8))
LAYOUT = (Block("vector", (3,)), IMAGE, FRAMES)
WIDE = sum(b.width for b in LAYOUT)


def _member(family: str, choice: Any) -> Any:
    return Family[Any](f"learn.{family}").build(choice, family)


def _regularizer(choice: Any, layout: tuple[Block, ...] = LAYOUT) -> Any:
    found = _member("regularizers", choice)
    found.begin(torch.nn.Linear(1, 1), layout)
    return found


def _batch(rows: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 255 * torch.rand(rows, WIDE, generator=generator), torch.eye(4)[torch.arange(rows) % 4]


def _parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return x[:, :3], x[:, 3:63].view(-1, 2, 5, 6), x[:, 63:].view(-1, 10, 8)


OUTPUTS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 1.0]])
CODES = torch.tensor([0, 2, 0])


@pytest.mark.step(17)
def test_cross_entropy_is_pytorchs() -> None:
    shares = torch.eye(3)[CODES]
    plain = _member("losses", "cross_entropy")(OUTPUTS, shares)
    torch.testing.assert_close(plain, functional.cross_entropy(OUTPUTS, CODES, reduction="none"))
    smooth = _member("losses", {"cross_entropy": {"smoothing": 0.1}})(OUTPUTS, shares)
    wanted = functional.cross_entropy(OUTPUTS, CODES, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(smooth, wanted)
    weights = [1.0, 2.0, 5.0]
    weighted = _member("losses", {"cross_entropy": {"weights": weights}})(OUTPUTS, shares)
    wanted = functional.cross_entropy(OUTPUTS, CODES, reduction="none", weight=torch.tensor(weights))
    torch.testing.assert_close(weighted, wanted)
    with pytest.raises(SpecError, match="2 weights for 3 classes"):
        _member("losses", {"cross_entropy": {"weights": [1, 2]}})(OUTPUTS, shares)


@pytest.mark.step(17)
def test_focal_and_huber_by_their_papers() -> None:
    """Lin et al.: -(1 - p)^2 log p. Huber with delta 1: half the square of 0.5, and 3 - 1/2."""
    chance = OUTPUTS.softmax(1)[torch.arange(3), CODES]
    found = _member("losses", "focal")(OUTPUTS, torch.eye(3)[CODES])
    torch.testing.assert_close(found, -((1 - chance) ** 2) * chance.log())
    huber = _member("losses", "huber")(torch.tensor([[0.5], [3.0]]), torch.zeros(2, 1))
    torch.testing.assert_close(huber, torch.tensor([0.125, 2.5]))


@pytest.mark.step(19)
def test_one_cycle_is_pytorchs() -> None:
    """torch.optim.lr_scheduler.OneCycleLR with its own defaults, at each of 100 steps."""
    weight = torch.nn.Parameter(torch.zeros(1))
    stepper = torch.optim.SGD([weight], lr=1.0)
    peer = torch.optim.lr_scheduler.OneCycleLR(stepper, max_lr=1.0, total_steps=1001)
    ours = _member("schedules", "one_cycle")
    for at in range(1000):
        assert ours(at / 1000) == pytest.approx(peer.get_last_lr()[0], abs=0.005), at
        stepper.step()
        peer.step()


@pytest.mark.step(19)
def test_muon_moves_hidden_matrices_alike_in_every_direction() -> None:
    """Newton and Schulz's five rounds bring every singular value near 1 (Jordan: between 0.7 and 1.2), here times the
    rate and 0.2 sqrt(8), the length that AdamW's steps have.
    """
    weights = [
        torch.nn.Parameter(torch.randn(*s, generator=torch.Generator().manual_seed(1)))
        for s in ((8, 3), (8, 8), (2, 8))
    ]
    before = weights[1].detach().clone()
    stepper = _member("optimizers", {"muon": {"rate": 0.01, "decay": 0.0}}).over(weights)
    for weight in weights:
        weight.grad = torch.randn(weight.shape)
    first = weights[0].detach().clone()
    stepper.step()
    values = torch.linalg.svdvals((weights[1].detach() - before) / (0.01 * 0.2 * 8**0.5))
    assert float(values.min()) > 0.6
    assert float(values.max()) < 1.25
    torch.testing.assert_close((weights[0].detach() - first).abs(), torch.full((8, 3), 0.01), rtol=1e-3, atol=1e-6)


@pytest.mark.step(23)
def test_flip_mirrors_half_of_the_images_and_nothing_else() -> None:
    x, y = _batch()
    seen, told = _regularizer({"flip": {"chance": 0.5}}).batch(x, y)
    plain, images, frames = _parts(seen)
    was = _parts(x)
    assert torch.equal(plain, was[0]) and torch.equal(frames, was[2]) and torch.equal(told, y)
    mirrored = (images == was[1].flip(3)).flatten(1).all(1)
    same = (images == was[1]).flatten(1).all(1)
    assert bool((mirrored | same).all())
    assert 0.4 < float(mirrored.float().mean()) < 0.6


@pytest.mark.step(23)
def test_shift_moves_images_whole() -> None:
    """Up to 2 of 5 rows and 2 of 6 columns: each moved image is the old one padded by its edge and cut."""
    x, y = _batch(50)
    _, images, _ = _parts(_regularizer({"shift": 0.4}).batch(x, y)[0])
    padded = functional.pad(_parts(x)[1], (2, 2, 2, 2), mode="replicate")
    places = [padded[:, :, i : i + 5, j : j + 6] for i in range(5) for j in range(5)]
    found = torch.stack([(p == images).flatten(1).all(1) for p in places])
    assert bool(found.any(0).all())
    assert int(found.any(1).sum()) > 8, "hardly any places"


@pytest.mark.step(23)
def test_cutmix_mixes_the_target_by_the_area() -> None:
    """Row i holds images of i alone: the mean pixel says which share of whom is there, and the target says the same."""
    torch.manual_seed(3)
    rows = torch.arange(1.0, 9.0)
    x, y = rows[:, None].expand(8, WIDE).clone(), torch.eye(8)
    member = _regularizer({"cutmix": {"chance": 1.0}})
    for _ in range(5):
        seen, told = member.batch(x, y)
        torch.testing.assert_close(_parts(seen)[1].flatten(1).mean(1), (told * rows).sum(1))
        assert torch.equal(_parts(seen)[2], _parts(x)[2])


@pytest.mark.step(23)
def test_spec_augment_blanks_stripes_with_the_mean() -> None:
    x, y = _batch()
    torch.manual_seed(0)
    _, images, frames = _parts(_regularizer({"spec_augment": {"time": 0.3, "bands": 0.25}}).batch(x, y)[0])
    was = _parts(x)
    changed = frames != was[2]
    mean = was[2].mean((1, 2), keepdim=True).expand_as(frames)
    torch.testing.assert_close(frames[changed], mean[changed])
    stretch, band = changed.all(2).sum(1), changed.all(1).sum(1)
    assert (int(stretch.max()), int(band.max())) == (3, 2)
    assert torch.equal(images, was[1])


@pytest.mark.step(23)
def test_brightness_keeps_pixels_in_their_range() -> None:
    x, y = _batch()
    _, images, _ = _parts(_regularizer({"brightness": 0.2}).batch(x, y)[0])
    ratio = images.mean((1, 2, 3)) / _parts(x)[1].mean((1, 2, 3))
    assert 0.78 < float(ratio.min()) < 0.9
    assert 1.1 < float(ratio.max()) < 1.22
    assert float(images.min()) >= 0
    assert float(images.max()) <= 255


@pytest.mark.step(23)
def test_noise_goes_by_the_kind_of_column() -> None:
    layout = (Block("vector", (100,)), Block("image", (1, 10, 10)), Block("tokens", (100,), codes=9))
    x = torch.full((200, 300), 5.0)
    seen, _ = _regularizer({"noise": 0.1}, layout).batch(x, torch.ones(200, 1))
    spread = [float(part.std()) for part in (seen - x).split(100, 1)]
    assert spread == [pytest.approx(0.1, rel=0.05), pytest.approx(25.5, rel=0.05), 0.0]


@pytest.mark.step(23)
def test_dropout_silences_its_share_and_keeps_the_mean() -> None:
    layer = _member("regularizers", {"dropout": 0.15}).layer().train()
    torch.manual_seed(0)
    out = layer(torch.ones(1001, 333))
    assert float((out == 0).float().mean()) == pytest.approx(38 / 256, abs=0.002)
    assert float(out.mean()) == pytest.approx(1, abs=0.003)
    assert torch.equal(layer.eval()(torch.ones(3, 3)), torch.ones(3, 3))
    columns = (out == 0).float().mean(0)
    assert float(columns.std()) < 0.02, "some units are silent more often than others"


@pytest.mark.step(23)
def test_stochastic_depth_skips_whole_rows_by_depth() -> None:
    member = _member("regularizers", {"stochastic_depth": 0.5})
    torch.manual_seed(0)
    for depth, chance in ((1.0, 0.5), (0.4, 0.2)):
        out = member.branch(depth).train()(torch.ones(4000, 2, 3, 3)).flatten(1)
        assert bool((out == out[:, :1]).all()), "part of a row"
        assert float((out[:, 0] == 0).float().mean()) == pytest.approx(chance, abs=0.03)
        assert float(out.mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.step(23)
def test_token_dropout_hides_a_share_of_the_tokens_and_leaves_padding() -> None:
    layout = (Block("vector", (2,)), Block("tokens", (50,), codes=400))
    x = torch.randint(2, 400, (400, 52), generator=torch.Generator().manual_seed(0)).float()
    x[:, 40:] = 0
    torch.manual_seed(0)
    seen, _ = _regularizer({"token_dropout": 0.2}, layout).batch(x, torch.eye(4)[torch.arange(400) % 4])
    assert torch.equal(seen[:, :2], x[:, :2]) and not seen[:, 40:].any()
    hidden = seen[:, 2:40] == 1
    assert float(hidden.float().mean()) == pytest.approx(0.2, abs=0.01)
    assert torch.equal(seen[:, 2:40][~hidden], x[:, 2:40][~hidden])


@pytest.mark.parametrize("word", ["flip", "shift", "cutmix", "brightness", "spec_augment", "token_dropout"])
def test_what_there_is_nothing_of_is_refused(word: str) -> None:
    with pytest.raises(SpecError, match="the rows have plain numbers"):
        _regularizer(word, ())


def test_mixup_does_not_blend_codes() -> None:
    with pytest.raises(SpecError, match="codes of tokens"):
        _regularizer("mixup", (Block("tokens", (12,), codes=40),))


@pytest.mark.parametrize(("word", "deviation"), [("lecun", 50**-0.5), ("normal", 0.02 * 0.88), ("kaiming", 25**-0.5)])
@pytest.mark.step(15)
def test_initializers_have_the_spread_of_their_papers(word: str, deviation: float) -> None:
    """50 inputs; a normal cut off at two deviations has 0.88 of its deviation left."""
    weight = torch.empty(400, 50)
    _member("initializers", word)(weight, torch.Generator().manual_seed(0))
    assert float(weight.std()) == pytest.approx(deviation, rel=0.03)
    assert np.isclose(float(weight.mean()), 0, atol=0.01)
