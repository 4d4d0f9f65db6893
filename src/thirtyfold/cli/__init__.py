"""The command line: one command a verb. It answers at once; whatever is heavy is imported by the verb that needs it.

argparse, because typer alone takes a tenth of a second to import of the half second that a command may take.
"""

import argparse
import gc
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from thirtyfold.core.errors import Fault, SpecError, Stopped, ThirtyfoldError

__all__ = ["main", "parser"]

EPILOG = """PACKAGE is a folder, a run id, or name@champion.
exit status: 0 done; 1 a fault of ours; 2 the Spec or the data is wrong; 3 a gate said no; 130 stopped"""


def parser() -> argparse.ArgumentParser:
    """Every verb with its options; nothing is imported for it."""
    from thirtyfold import __version__

    top = argparse.ArgumentParser(
        prog="thirtyfold",
        description="Any data, all thirty steps of AI training, one file, one command.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"thirtyfold {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    def verb(name: str, module: str, says: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=says, description=says)
        made.set_defaults(do=(module, name))
        return made

    _making(verb)
    _working(verb)
    _looking(verb)
    return top


def _label(label: argparse.ArgumentParser) -> None:
    label.add_argument("spec", metavar="SPEC|DATA", help="a Spec (.yaml), or data")
    label.add_argument("--target", help="the column that the labels are for, when data is given (default: label)")
    label.add_argument("--port", type=int, default=8010, help="default: %(default)s; 0 takes a free one")
    label.add_argument("--annotator", metavar="NAME", help="who labels (default: the user's name)")
    label.add_argument("--classes", metavar="A,B,C", help="the labels (default: those in the data)")
    label.add_argument("--guidelines", metavar="FILE", help="a text that is shown beside the rows")
    label.add_argument("--no-guess", action="store_true", help="do not show what the model guesses")
    label.add_argument("--overlap", type=int, metavar="N", help="how many people label each row (default: 1)")
    label.add_argument("--boxes", metavar="COLUMN", help="draw boxes on the images of this column")
    label.add_argument("--review", nargs="?", const="", metavar="RUN", help="the labels that a run suspects, again")
    label.add_argument("--media", metavar="FOLDER", help="below which files are shown (default: that of the data)")
    label.add_argument("--store", metavar="FILE", help="where labels are kept (default: beside the runs)")
    label.add_argument("--import", dest="take", metavar="FILE", help="take labels of Label Studio's JSON, or row,label")
    label.add_argument("--export", dest="give", metavar="FILE", help="write the labels as Label Studio's JSON")


def _code(command: argparse.ArgumentParser) -> None:
    words = "a Python file of yours that the Package may use (where its Spec named file.py:Name)"
    command.add_argument("--code", metavar="FILE", action="append", default=[], help=words)


def _making(verb: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    new = verb("new", "making", "look at the data, write thirtyfold.yaml with every choice visible")
    new.add_argument("data")
    new.add_argument("--target", required=True, help="the column to predict")
    new.add_argument("--out", default="thirtyfold.yaml", help="the file to write (default: %(default)s)")

    check = verb("check", "making", "every fault of the Spec, against the data, at once; runs nothing")
    check.add_argument("spec")
    _set(check)

    run = verb("run", "running", "the whole lifecycle; ends with one page of results")
    run.add_argument("spec", metavar="SPEC|DATA", help="a Spec (.yaml), or data together with --target")
    run.add_argument("--target", help="the column to predict, when data is given instead of a Spec")
    run.add_argument("--metric", help="what to judge by")
    run.add_argument("--minutes", type=float, help="the budget for the whole run")
    run.add_argument("--folds", type=int, metavar="K", help="nested cross-validation: up to the test, once a fold")
    run.add_argument("--until", metavar="STAGE", help="stop after this stage (thirtyfold steps lists them)")
    _set(run)
    run.add_argument("--json", action="store_true", help="print the summary as JSON and nothing else")
    run.add_argument("--quiet", action="store_true", help="print nothing but faults")


def _working(verb: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    predict = verb(
        "predict",
        "serving",
        "predictions for a file, or for what a Spec (.yaml) collects; - is standard input and output",
    )
    predict.add_argument("package", metavar="PACKAGE")
    predict.add_argument("data", metavar="DATA")
    predict.add_argument("--out", default="-", help="a .csv, .parquet or .jsonl file (default: CSV on standard output)")

    words = "columns of DATA that stand before the answers, such as its id; 'all' keeps every one"
    predict.add_argument("--keep", metavar="A,B", default="", help=words)
    _code(predict)

    serve = verb("serve", "serving", "HTTP: predictions, playground and live pages, metrics")
    serve.add_argument("package", nargs="?", metavar="PACKAGE", help="default: the champion of the last run")
    serve.add_argument("--host", default=None, help="default: 127.0.0.1")
    serve.add_argument("--port", type=int, default=None, help="default: 8000")
    _code(serve)

    _label(verb("label", "label", "the page to label rows by hand, most useful rows first"))

    watch = verb("watch", "watching", "monitor; retrain when a trigger says so; promote only what proved better")
    watch.add_argument("spec")
    watch.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="how often to look")
    watch.add_argument("--once", action="store_true", help="look once and stop")
    watch.add_argument("--json", action="store_true")

    promote = verb("promote", "serving", "make a package the champion that is served")
    promote.add_argument("package", metavar="PACKAGE")
    promote.add_argument("--force", action="store_true", help="also when its gates said no")
    rollback = verb("rollback", "serving", "back to the champion before")
    rollback.add_argument("name", help="the name of the model")


def _looking(verb: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    show = verb("show", "looking", "the thirty steps of a run: what was done, why, the numbers")
    show.add_argument("run", nargs="?", help="a run id (default: the last run)")
    show.add_argument("step", nargs="?", type=int, help="one of the thirty: its numbers and tables")
    show.add_argument("--json", action="store_true")
    show.add_argument("--tensorboard", metavar="FOLDER", help="write the curves of its networks there, as event files")

    runs = verb("runs", "looking", "every run, newest first")
    runs.add_argument("name", nargs="?", metavar="NAME", help="only the runs of this model")
    runs.add_argument("--last", type=int, metavar="N", help="only the last N")
    runs.add_argument("--json", action="store_true")
    compare = verb("compare", "looking", "two runs side by side")
    compare.add_argument("a")
    compare.add_argument("b")
    steps = verb("steps", "looking", "the thirty steps, and which stage does each")
    steps.add_argument("--json", action="store_true")
    verb("doctor", "looking", "what is installed, what is missing, and the command that brings it")


def _verbs(made: argparse.ArgumentParser) -> list[str]:
    """The commands, in the order in which the help lists them."""
    return [name for action in made._actions if action.dest == "verb" for name in action.choices or ()]


def _unknown(word: str, verbs: Sequence[str]) -> SpecError:
    from thirtyfold.core.family import nearest  # only now: most commands need no family to say what is wrong

    return SpecError(Fault("command", f"there is no '{word}'.", ", ".join(verbs), nearest(word, verbs)))


def _set(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--set", action="append", default=[], metavar="section.option=value", help="may be repeated")


def _verb(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """The function of a verb. Loading modules makes no garbage, and looking for it takes a tenth of the time."""
    gc.disable()
    try:
        found: Callable[[argparse.Namespace], int] = getattr(import_module(f"thirtyfold.cli.{module}"), name)
    finally:
        gc.enable()
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. No mistake of the user's ends in a traceback."""
    given = sys.argv[1:] if argv is None else argv
    if not given:
        parser().print_help()
        return 2
    made = parser()
    if not given[0].startswith("-") and given[0] not in (verbs := _verbs(made)):
        return complain(_unknown(given[0], verbs))
    told = made.parse_args(given)
    module, name = told.do
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # or every installed package is searched for them
    if not os.environ.get("THIRTYFOLD_DEBUG"):
        warnings.simplefilter("ignore")  # the libraries underneath talk to developers; what matters is in the report
    try:
        return int(_verb(module, name)(told))
    except ThirtyfoldError as error:
        return complain(error)
    except KeyboardInterrupt:
        return complain(Stopped("Stopped."))
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        path = Path(os.environ.get("THIRTYFOLD_HOME") or ".thirtyfold") / f"crash-{time.strftime('%Y%m%d-%H%M%S')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc(), encoding="utf-8")
        last = traceback.format_exc().strip().splitlines()[-1]
        print(f"thirtyfold: a fault of ours: {last}\nWhat happened is in {path}.", file=sys.stderr)
        if os.environ.get("THIRTYFOLD_DEBUG"):
            raise
        return 1


def complain(error: ThirtyfoldError) -> int:
    """Every fault on a line of its own, on standard error."""
    faults = error.faults
    head = "thirtyfold: " if len(faults) == 1 else f"thirtyfold: {len(faults)} faults:\n  "
    print(head + "\n  ".join(map(str, faults)), file=sys.stderr)
    return error.status
