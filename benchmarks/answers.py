"""How fast the command line answers: --help and check, medians of several runs, and that no torch is loaded.

usage: python benchmarks/answers.py
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "diagnosis.yaml"


def seconds(*words: str, times: int = 9) -> float:
    """The median of several runs in new processes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "thirtyfold", *words], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    csv = Path(__file__).with_name("_answers.csv")
    spec = csv.with_suffix(".yaml")
    csv.write_text("a,b,y\n" + "\n".join(f"{i},{i % 7},{i % 2}" for i in range(2000)))
    spec.write_text(f"target: y\ncollect: {csv}\n")
    try:
        code = (
            "import sys; from thirtyfold.cli import main; main(sys.argv[1:]);"
            "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'sklearn', 'lightgbm', 'scipy', 'pandas'}))"
        )
        loaded = subprocess.run(
            [sys.executable, "-c", code, "check", str(spec)], check=True, capture_output=True, text=True
        )
        print(
            json.dumps(
                {
                    "python_itself_s": round(seconds_of_python(), 3),
                    "help_s": round(seconds("--help"), 3),
                    "check_csv_s": round(seconds("check", str(spec)), 3),
                    "check_recipe_s": round(seconds("check", str(RECIPE)), 3),
                    "heavy_loaded_by_check": loaded.stdout.splitlines()[-1],
                }
            )
        )
    finally:
        csv.unlink()
        spec.unlink()


def seconds_of_python() -> float:
    """What an empty Python costs, to compare with."""
    taken = []
    for _ in range(9):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
