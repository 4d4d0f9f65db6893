"""Many rows: as much memory as for few, and nothing lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "large.py"


@pytest.mark.slow
def test_two_million_rows_from_the_file_to_the_profile(tmp_path):
    """183 MB of CSV: what is the process's own stays below 1.2 GiB (0.7 on an idle machine), 0.3 of them libraries;
    held as Polars holds text, two copies of the rows alone would be 1 GiB. Pages of mapped files come on top, which
    the system takes back when it needs them: how many there are at once is its affair.
    """
    source, path = tmp_path / "generate.py", tmp_path / "rows.csv"
    source.write_text(
        f"import sys; sys.path.insert(0, {str(BENCHMARK.parent)!r})\n"
        "from pathlib import Path\nimport large\n"
        f"large.generate(Path({str(path)!r}), 2_000_000)\n",
        encoding="utf-8",
    )
    subprocess.run([sys.executable, str(source)], check=True)
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--child", "thirtyfold", str(path)], check=True, capture_output=True, text=True
    )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(told["stages"]) == {"collect", "clean", "define", "split", "label", "analyze"}
    assert told["own_gib"] < 1.2 and told["peak_gib"] < 2.5, told
