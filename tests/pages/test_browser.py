"""What a person sees: report, playground and live page in a real browser."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from thirtyfold.core.charts import bars, grid, histogram, lines, scatter
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.core.package import Package
from thirtyfold.core.summary import Stamp, summarize
from thirtyfold.core.verdict import Verdict
from thirtyfold.pages.report import render
from thirtyfold.testing.audits import example_case

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def service(served: Callable[[Package], str]) -> str:
    """The real server with the real pages, on loopback."""
    return served(example_case().package)


@pytest.mark.step(29)
def test_a_person_asks_and_tells_in_the_playground(browser, service):
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(service)
    page.wait_for_selector("#fields input")
    assert page.locator("#fields label b").all_inner_texts() == ["age", "hours", "sex"]
    page.click("#example")
    page.fill("[id='f:age']", "51")
    page.click("form button:has-text('Predict')")
    page.wait_for_selector("#answer b")
    assert page.inner_text("#answer b") in ("yes", "no")
    assert "%" in page.inner_text("#answer")
    assert sorted(page.locator("#truths option").evaluate_all("all => all.map(o => o.value)")) == ["no", "yes"]
    page.click("[data-thumb='up']")
    page.wait_for_function("document.getElementById('thanks').textContent.startsWith('Kept')")
    page.fill("[id='f:age']", "many")
    page.click("form button:has-text('Predict')")
    page.wait_for_selector("label.wrong")
    assert page.locator("label.wrong b").inner_text() == "age"
    assert "many" in page.locator("label.wrong .why").inner_text()
    assert not problems
    page.close()


@pytest.mark.step(30)
def test_the_live_page_counts_what_happened(browser, service):
    import httpx

    row = {"age": 40, "hours": 38, "sex": "male"}
    for _ in range(3):
        httpx.post(f"{service}/predict", json=row).raise_for_status()
    time.sleep(1.5)
    page = browser.new_page()
    page.goto(f"{service}/live")
    page.wait_for_selector("#last tr")
    cards = dict(
        zip(page.locator(".card span").all_inner_texts(), page.locator(".card b").all_inner_texts(), strict=True)
    )
    assert int(cards["answered"]) >= 3
    assert "ms" in cards["half within"]
    page.close()


def report(*more: Evidence) -> str:
    pictures = (
        bars("Bars <of> things", ["a & b", "c" * 60], [3.0, -1.0]),
        histogram("Histogram", [0.0, 1.0, 2.0], [5, 2]),
        lines("Lines", [1, 2, 3], {"train": [3.0, 2.0, 1.0], "validation": [3.0, 2.5, float("nan")]}, "epoch", "loss"),
        scatter("Points", [1.0, 2.0], [2.0, 1.0], "truth", "answer", diagonal=True),
        grid("Grid", ["x", "y"], ["x", "y"], [[3.0, 0.0], [1.0, 2.0]]),
    )
    wide = TableView("Wide", tuple(f"column {i}" for i in range(30)), ((1,) * 30,) * 3)
    evidence = [Evidence(n, f"Sentence of step {n} with <b>marks</b>.", {"n": n}) for n in range(1, 31)]
    evidence[5] = Evidence(6, "Cleaned.", {"n": 6}, (wide,), pictures)
    stamps = [Stamp("all", tuple(range(1, 31)), "done", "", 3.0, tuple(evidence))]
    summary = summarize(
        run="r-1", name="example", aim=None, tested=None, gates=[Verdict("success.roc_auc", True, "0.9 is enough")],
        stamps=stamps, package="/p", package_hash="0" * 64, report="", seconds=3.0, error=None, addresses=[],
    )  # fmt: skip
    kept = {"all": [asdict(e) for e in evidence], "tune": [asdict(e) for e in more]}
    return render(summary, kept, "name: example\n")


@pytest.mark.parametrize("width", [390, 1200])
def test_the_report_opens_offline_and_fits_a_phone(browser, tmp_path: Path, width: int):
    path = tmp_path / "report.html"
    path.write_text(report(), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()], "the report asks for nothing but itself"
    assert page.locator("article.step").count() == 30
    assert page.locator("ol.map a").count() == 30
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    assert page.locator("svg").count() == 5
    assert page.locator("article b").count() == 0, "text from the data is not markup"
    page.click("ol.map a >> nth=29")
    assert page.evaluate("location.hash") == "#step-30"
    assert not problems
    page.close()


def test_what_was_not_taken_and_what_was_told_before_is_folded(browser, tmp_path: Path):
    path = tmp_path / "report.html"
    table = TableView("Metrics", ("metric",), (("roc_auc",),))
    told = report(
        Evidence(22, "The best is the ensemble.", {"winner": "ensemble", "members": ["linear 60%", "tree 40%"]}),
        *(Evidence(16, f"{word}: it guesses.", model=word) for word in ("linear", "tree", "forest", "mlp")),
        Evidence(25, "Tested before compression.", tables=(table,)),
        Evidence(25, "Tested again.", tables=(table,)),
    )
    path.write_text(told, encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    step = page.locator("#step-16")
    assert "linear: it guesses." in step.inner_text() and "tree: it guesses." in step.inner_text()
    assert "forest: it guesses." not in step.inner_text()
    assert step.locator("summary").inner_text().endswith("forest, mlp")
    step.locator("summary").click()
    assert "mlp: it guesses." in step.inner_text()
    tables = page.locator("#step-25 table")
    assert [tables.nth(n).is_visible() for n in range(tables.count())] == [False, True]
    page.close()
