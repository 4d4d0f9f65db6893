"""The stages of data, run by hand one after the other, on frames and on the real files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from thirtyfold.core.aim import Aim
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.data.clean import Clean, Cleaned
from thirtyfold.data.collect import Collect, Collected
from thirtyfold.data.label import Label
from thirtyfold.data.split import Parted, Split


@dataclass
class Ran:
    spec: Spec
    collected: Collected
    cleaned: Cleaned

    @property
    def table(self):
        return self.cleaned.table

    def aim(self) -> Aim:
        number = self.table.columns[self.spec.target].type == "number"
        task, metric = ("regression", "rmse") if number else ("classification", "roc_auc")
        return Aim(self.spec.target, task, metric, greater=not number, metrics=(metric,))

    def split(self, seed: int = 0) -> Parted:
        return Split(self.spec).run(self.table, self.collected.collected, self.cleaned.copies, self.aim(), Quiet(seed))

    def label(self):
        train, collected, ledger = self.split().train, self.collected.collected, self.cleaned.ledger
        return Label(self.spec).run(train, collected, ledger, self.aim(), Quiet())


def clean(frame: pl.DataFrame | None, **spec: Any) -> Ran:
    """Collect and clean a frame (or what ``collect`` names), for a Spec of these keys."""
    made = Spec.of({"target": "y", "collect": "frame", **spec})
    collected = Collect(made).run(frame, Quiet())
    return Ran(made, collected, Clean(made).run(collected.collected, Quiet()))


@pytest.fixture(name="clean")
def _clean():
    return clean


def _real(mirror: Path, name: str) -> dict[str, Any]:
    d = str(mirror)
    adult = [f"{d}/adult/adult-train.csv", f"{d}/adult/adult-test.csv"]
    return {
        "adult": {"collect": {"stack": {"sources": adult}}, "target": "c14"},
        "telco": {"collect": f"{d}/telco_churn/Telco-Customer-Churn.csv", "target": "Churn"},
        "titanic": {"collect": f"{d}/titanic/titanic.csv", "target": "Survived"},
        "pima": {"collect": f"{d}/pima_diabetes/pima-indians-diabetes.csv", "target": "c8"},
        "mammography": {"collect": f"{d}/mammography/mammography.csv", "target": "c6"},
        "ames": {"collect": f"{d}/ames_house/house.csv", "target": "SalePrice"},
        "bike": {"collect": f"{d}/bike_sharing/bike.csv", "target": "cnt"},
        "taxi": {"collect": f"{d}/chicago_taxi/data.csv", "target": "tips"},
        "hospital": {"collect": f"{d}/raha_hospital/dirty.csv", "target": "condition"},
        "sms": {"collect": f"{d}/sms_spam/smsspamcollection.tsv", "target": "label"},
        "air": {"collect": f"{d}/air_quality/airquality.csv", "target": "C6H6(GT)"},
        "chinook": {
            "collect": {"sqlite": {"path": f"{d}/chinook/Chinook_Sqlite.sqlite", "table": "Invoice"}},
            "target": "Total",
        },
        "names": {"collect": f"{d}/xlsx_names_jobs/Names_2010Census_Top1000.xlsx", "target": "RANK"},
    }[name]


@pytest.fixture(scope="session")
def real(mirror):
    """``real("adult", **more keys)``: a real set collected and cleaned; each is made once."""
    kept: dict[str, Ran] = {}

    def get(name: str, **more: Any) -> Ran:
        key = f"{name} {more}"
        if key not in kept:
            kept[key] = clean(None, **{**_real(mirror, name), **more})
        return kept[key]

    return get
