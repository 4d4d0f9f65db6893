"""Checks that every monitor passes, ours and a stranger's: ``check_monitor(Class)``."""

import json
from typing import Any

from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.testing.formats import Example, example
from thirtyfold.watch.live import Live
from thirtyfold.watch.monitor import Monitor

__all__ = ["check_monitor", "scored"]


def scored(given: Example) -> Any:
    """The example's Package with its test scores inside, as export leaves it."""
    from thirtyfold.core.aim import evaluate

    rows, package = given.test.table, given.package
    columns = package.arrays(rows)
    own = evaluate(package.task, (given.aim.metric,), given.goal.truth(rows), package.raw(columns), columns)
    score = own[given.aim.metric]
    told = {"metric": given.aim.metric, "test": own, "interval": [score - 0.08, score + 0.04]}
    return package.with_added({"metrics.json": json.dumps(told).encode()})


def check_monitor(word: str) -> None:
    """Calibrated alike twice, JSON-able, silent without traffic and on unchanged rows, alarmed by a change."""
    given = example("boosting", rows=3000)
    package = scored(given)
    stage = Monitor(Spec.of({"target": "bought", "collect": "x.csv", "monitor": [word]}))
    member = stage.monitors[word]
    state = member.calibrate(package)
    assert json.loads(json.dumps(state)) == state, f"{word}: calibrate must give what JSON can say"
    assert member.calibrate(package) == state, f"{word}: calibrated otherwise the second time"
    tried = stage.run(package, given.profile, given.learning, given.validation, given.test, given.aim, Quiet())
    watching = tried.watching
    assert watching["false_alarms"][word] <= 1, (
        f"{word}: {watching['false_alarms'][word]} alarms in 20 unchanged windows"
    )
    if word in ("drift", "accuracy", "latency", "failures"):
        assert watching["noticed"][word]["alarm"], f"{word}: did not notice a change made on purpose"
    said = member.look(package, state, _silence())
    assert said, f"{word}: must say something, even without traffic"
    for verdict in said:
        assert verdict.passed, f"{word}: alarmed without any traffic: {verdict.why}"
        assert verdict.name.split(".")[0] == word, f"{word}: its Verdict is named '{verdict.name}'"
        assert verdict.package == package.hash, f"{word}: its Verdict must name the Package"


def _silence() -> Live:
    from pathlib import Path

    from thirtyfold.core.traffic import Traffic

    return Live.of(Traffic(Path("there-is-no-such-file")), "", 0.0)
