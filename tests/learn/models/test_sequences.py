"""Networks that read texts whole: what they can learn, how they answer, and that the graph answers the same."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.errors import SpecError
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn.graph import Graph, Session
from thirtyfold.learn.models.cnn import Cnn
from thirtyfold.learn.models.rnn import Rnn
from thirtyfold.learn.models.transformer import Transformer
from thirtyfold.learn.nets.sequences import attended, convolved, embedded, recurrent
from thirtyfold.learn.nets.traced import drawn, weights_of

LENGTH, CODES = 12, 20
SMALL: dict[type, dict[str, Any]] = {
    Cnn: {"width": 4, "embedding": 16, "epochs": 12, "batch": 32},
    Rnn: {"width": 12, "embedding": 16, "epochs": 12, "batch": 32},
    Transformer: {
        "width": 32,
        "depth": 2,
        "embedding": 16,
        "epochs": 16,
        "batch": 32,
        "dropout": 0.0,
        "optimizer": {"adamw": {"rate": 2e-3}},
    },
}


def order(rows: int, seed: int) -> Encoded:
    """Both kinds have the tokens 2 and 3 once, side by side; in which order decides, so counting them is no help."""
    rng = np.random.default_rng(seed)
    codes = np.zeros((rows, LENGTH))
    target = rng.integers(0, 2, rows)
    for row in range(rows):
        long = int(rng.integers(5, LENGTH + 1))
        codes[row, :long] = rng.integers(4, CODES, long)
        at = int(rng.integers(0, long - 1))
        codes[row, at : at + 2] = (2, 3) if target[row] else (3, 2)
    names = tuple(f"t[{i}]" for i in range(LENGTH))
    layout = (Block("tokens", (LENGTH,), "t", CODES),)
    return Encoded(codes.astype(np.float32), names, (0,) * LENGTH, target, None, 2, layout)


@pytest.mark.step(16, 20)
@pytest.mark.parametrize("kind", [Cnn, Rnn, Transformer])
def test_the_order_of_tokens_is_learned_and_kept(kind):
    train, new = order(900, 0), order(300, 1)
    model = kind(**SMALL[kind])
    model.fit(train, new, Quiet(seed=1))
    raw = model.predict(new.matrix)
    assert (raw.argmax(1) == new.target).mean() > 0.9  # a bag of tokens gets one half
    files = model.save()
    again = kind.load(files)
    assert np.array_equal(again.predict(new.matrix), raw) and again.save() == files
    alone = np.concatenate([model.predict(new.matrix[i : i + 1]) for i in range(20)])
    assert np.abs(alone - raw[:20]).max() < 1e-6
    again.more(train.take(np.arange(100)), None, Quiet(seed=2))
    assert not np.array_equal(again.predict(new.matrix), raw)


def test_the_same_seed_gives_the_same_bytes():
    rows = order(120, 0)
    saved = []
    for _ in range(2):
        model = Rnn(**{**SMALL[Rnn], "epochs": 2})
        model.fit(rows, None, Quiet(seed=5))
        saved.append(model.save())
    assert saved[0] == saved[1]


@pytest.mark.parametrize("way", ["convolved", "gru", "lstm", "attended"])
def test_the_graph_answers_as_the_network_and_padding_changes_nothing(way):
    torch.manual_seed(0)
    body, wide = {
        "convolved": lambda: convolved(LENGTH, 16, 8, 0.1),
        "gru": lambda: recurrent(LENGTH, 16, 8, 2, 0.1, "gru"),
        "lstm": lambda: recurrent(LENGTH, 16, 8, 1, 0.1, "lstm"),
        "attended": lambda: attended(LENGTH, 16, 32, 2, 4, 0.1),
    }[way]()
    net = nn.Sequential(embedded(CODES, LENGTH, 16, 0.1), body, nn.Linear(wide, 3)).eval()
    x = order(50, 3).matrix
    x[7] = 0  # a text that is empty
    graph = Graph()
    graph.add("Identity", [drawn(net, graph)], "raw")
    data = graph.bytes(LENGTH, 3)
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)).numpy()
    assert np.isfinite(wanted).all() and np.abs(Session(data)(x) - wanted).max() < 1e-5
    assert {n: tuple(w.shape) for n, w in weights_of(data).items()} == {
        n: tuple(w.shape) for n, w in net.state_dict().items()
    }


def test_attention_is_that_of_pytorch():
    """One level of ours is one of torch.nn.TransformerEncoderLayer (norm_first, gelu) with the same weights."""
    torch.manual_seed(1)
    ours, _ = attended(LENGTH, 8, 8, 1, 2, 0.0)
    theirs = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    look: Any = ours.look1
    think: Any = ours.think1
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in (look.asked, look.key, look.value)]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in (look.asked, look.key, look.value)]))
        theirs.self_attn.out_proj.load_state_dict(look.out.state_dict())
        theirs.norm2.load_state_dict(think.normal.state_dict())
        theirs.linear1.load_state_dict(think.wide.state_dict())
        theirs.linear2.load_state_dict(think.narrow.state_dict())
        x = torch.randn(3, LENGTH, 8)
        padded = torch.arange(LENGTH).expand(3, -1) >= torch.tensor([[12], [7], [4]])
        hole = -1e4 * padded.float().reshape(3, 1, 1, LENGTH)
        here = x + look(x, hole)
        here = here + think(here)
        wanted = theirs.eval()(x, src_key_padding_mask=padded)
    assert (here - wanted)[~padded].abs().max() < 1e-5


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(SpecError, match="no multiple of heads"):
        Transformer(width=30, heads=4)


@pytest.mark.parametrize("kind", [Cnn, Transformer])
def test_branches_are_skipped_while_learning_and_never_when_answering(kind):
    """At a rate near 1 nothing is left of the last branch in most rows; the answers are those of the whole network."""
    rows = order(64, 0)
    skipping = kind(**{**SMALL[kind], "epochs": 1, "regularizers": [{"stochastic_depth": {"rate": 0.9}}]})
    skipping.fit(rows, None, Quiet(seed=1))
    raw = skipping.predict(rows.matrix)
    assert np.array_equal(raw, skipping.predict(rows.matrix))
    names = [n for n, _ in skipping.network().named_modules() if n.endswith("skip.0")]
    assert len(names) == (0 if kind is Cnn else 4)  # patterns of tokens have no branches, attention has two a level
