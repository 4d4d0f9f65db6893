"""``watch``: look again and again at a model in service, and act."""

import argparse
import json
import time

from thirtyfold.core.errors import Stopped
from thirtyfold.core.home import Home
from thirtyfold.core.spec import Spec

__all__ = ["watch"]


def watch(told: argparse.Namespace) -> int:
    """Go round until told to stop, or once."""
    from thirtyfold.cycle import go_round

    spec, home = Spec.read(told.spec), Home.beside(told.spec)
    if not told.json and not told.once:
        print(f"Watching {spec.name} every {told.every:g} s. Ctrl-C stops.", flush=True)
    try:
        while True:
            looked = go_round(spec, home, time.time)
            if told.json:
                print(json.dumps(looked.summary()), flush=True)
            else:
                alarms = [v for v in looked.verdicts if not v.passed]
                stamp = time.strftime("%H:%M:%S")
                print(f"{stamp} {looked.action.replace('_', ' ')}: {_told(looked.champion, looked.why)}", flush=True)
                for verdict in alarms:
                    print(f"         {verdict.name}: {verdict.why}", flush=True)
            if told.once:
                return 3 if looked.action == "refused" else 0
            time.sleep(told.every)
    except KeyboardInterrupt:
        raise Stopped("Stopped watching; what was found is kept.") from None


def _told(champion: str, why: str) -> str:
    """The version in service, where there is one, and what was found."""
    return f"{champion[:12]}. {why}" if champion else why
