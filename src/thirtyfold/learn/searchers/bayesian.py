"""Bayesian: tries where good trials were, by Optuna's tree-structured Parzen estimator."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from thirtyfold.core.model import Dial
from thirtyfold.learn.search import Past, drawn

__all__ = ["Bayesian"]


class Bayesian:
    """Tries more where good trials were (TPE, Bergstra et al. 2011, by Optuna): the best use of a few dozen trials.

    The study is built anew from the trials so far for each proposal, with a seed of its own, so nothing but the trials
    themselves has to be kept.
    """

    def __init__(self, start: Annotated[int, Field(ge=1)] = 8) -> None:
        """Set the options.

        Args:
            start: Trials drawn at random before the first one that learns from them. Where the usual options are known,
                each of them is kept with a chance of one half: they are good, and few trials find the way back to them.
        """
        self.start = start

    def propose(self, space: Mapping[str, Dial], past: Sequence[Past], seed: int) -> dict[str, Any] | None:
        if len(past) < self.start:
            rng = np.random.default_rng([seed, len(past)])
            usual = next((p.settings for p in past if not p.asked), {})
            draws = {name: drawn(dial, rng) for name, dial in space.items()}
            return {
                name: usual[name] if name in usual and rng.random() < 0.5 else value for name, value in draws.items()
            }
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        own = int(np.random.SeedSequence([seed, len(past)]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=own, n_startup_trials=0, multivariate=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        ranges = {name: _range(dial) for name, dial in space.items()}
        for trial in past:
            if np.isfinite(trial.value) and trial.settings.keys() == ranges.keys():
                study.add_trial(
                    optuna.trial.create_trial(params=trial.settings, distributions=ranges, value=trial.value)
                )
        return dict(study.ask(fixed_distributions=ranges).params)


def _range(dial: Dial) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dial.kind == "choice":
        return CategoricalDistribution(dial.choices)
    if dial.kind == "int":
        return IntDistribution(int(dial.low or 0), int(dial.high or 0), log=dial.log)
    return FloatDistribution(float(dial.low or 0), float(dial.high or 0), log=dial.log)
