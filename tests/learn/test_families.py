"""Every member of the families of learn passes its conformance check."""

from typing import Any

import pytest
import torch

from thirtyfold.core.family import Family
from thirtyfold.learn.regularizers.averaging import Averaging
from thirtyfold.testing.adaptations import check_adaptation
from thirtyfold.testing.frameworks import check_framework
from thirtyfold.testing.initializers import check_initializer
from thirtyfold.testing.losses import check_loss
from thirtyfold.testing.models import check_model
from thirtyfold.testing.optimizers import check_optimizer
from thirtyfold.testing.regularizers import check_regularizer
from thirtyfold.testing.schedules import check_schedule
from thirtyfold.testing.searchers import check_searcher

NETWORK = {"epochs": 6, "embedding": 16, "batch": 40, "dropout": 0.0, "optimizer": {"adamw": {"rate": 0.01}}}
QUICK: dict[str, dict[str, Any]] = {
    "forest": {"trees": 25},
    "boosting": {"rounds": 150},
    "mlp": {"epochs": 12, "width": 48},
    "cnn": {**NETWORK, "width": 4},
    "rnn": {**NETWORK, "width": 8},
    "transformer": {**NETWORK, "width": 16, "heads": 2, "depth": 1},
    "tabular": {"width": 24, "members": 4, "epochs": 10, "batch": 40},
    "layers": {"layers": ["conv 8", "dense 16"], "epochs": 6, "batch": 40, "optimizer": {"adamw": {"rate": 0.01}}},
    "ensemble": {"members": [{"boosting": {"rounds": 60}}, {"forest": {"trees": 20}}], "weights": [3, 1]},
}
CHECKS = {
    "losses": check_loss,
    "optimizers": check_optimizer,
    "initializers": check_initializer,
    "schedules": check_schedule,
    "regularizers": check_regularizer,
    "searchers": check_searcher,
    "frameworks": check_framework,
    "adaptations": check_adaptation,
}
MEMBERS = [(family, word) for family in CHECKS for word in Family[Any](f"learn.{family}").words()]


@pytest.mark.parametrize("word", [w for w in Family[Any]("learn.models").words() if w != "pretrained"])
@pytest.mark.step(14)
def test_model(word: str) -> None:
    """All but ``pretrained``, which wants a folder: tests/test_pretrained.py writes one."""
    check_model(Family[Any]("learn.models").find(word), **QUICK.get(word, {}))


@pytest.mark.parametrize(("family", "word"), MEMBERS)
@pytest.mark.step(13, 15, 17, 19, 22, 23)
def test_member(family: str, word: str) -> None:
    CHECKS[family](Family[Any](f"learn.{family}").build(word, family))


def test_words_are_the_ones_promised() -> None:
    words = {family: set(Family[Any](f"learn.{family}").words()) for family in CHECKS}
    assert words["losses"] >= {"cross_entropy", "mean_squared", "hinge", "focal", "huber"}
    assert words["optimizers"] >= {"sgd", "adam", "adamw", "rmsprop", "muon"}
    assert words["initializers"] >= {"xavier", "kaiming", "orthogonal", "zeros"}
    assert words["schedules"] >= {"constant", "cosine", "step", "warmup", "one_cycle", "plateau"}
    assert words["regularizers"] >= {"dropout", "weight_decay", "label_smoothing", "early_stopping"}
    assert words["searchers"] >= {"grid", "random", "bayesian"}


def test_a_broken_member_is_caught() -> None:
    """Each check can fail: members with one fault each."""

    class Uphill:
        tasks = ("regression",)
        head = "identity"

        def __call__(self, outputs: Any, target: Any) -> Any:
            return 100 - (outputs - target).square().mean(1)

    class Same:
        def propose(self, space: Any, past: Any, seed: int) -> dict[str, Any]:
            return {"rate": 0.5, "leaves": 3, "kind": "a"}

    class Growing:
        def __call__(self, done: float) -> float:
            return 1.0 + done

    class Forgetful:
        """AdamW whose state does not come back."""

        rate = 0.01

        def over(self, parameters: Any) -> Any:
            from torch.optim import AdamW

            class Lost(AdamW):
                def load_state_dict(self, state_dict: Any) -> None:
                    super().load_state_dict({**state_dict, "state": {}})

            return Lost(parameters, lr=self.rate)

    class Remembering:
        def __init__(self) -> None:
            self.seen = 0

        def __call__(self, done: float) -> float:
            return 1.0

        def heed(self, losses: Any) -> float:
            self.seen += len(set(losses)) == 1
            return 0.5**self.seen

    class Amnesic(Averaging):
        def state(self) -> Any:
            return {n: torch.zeros_like(v) for n, v in super().state().items()}

    with pytest.raises(AssertionError, match="goes on differently"):
        check_optimizer(Forgetful())
    with pytest.raises(AssertionError, match="remembers another training"):
        check_schedule(Remembering())
    with pytest.raises(AssertionError, match="does not bring its weights back"):
        check_regularizer(Amnesic())
    with pytest.raises(AssertionError, match="costs more"):
        check_loss(Uphill())
    with pytest.raises(AssertionError, match="nothing better"):
        check_searcher(Same())
    with pytest.raises(AssertionError, match="outside"):
        check_schedule(Growing())
