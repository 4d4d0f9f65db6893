"""Checks for members of every family, ours and a stranger's: each raises AssertionError that says what is wrong.

>>> from thirtyfold.testing import check_metric
>>> from thirtyfold.aim.metrics.accuracy import Accuracy
>>> check_metric(Accuracy)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thirtyfold.testing.adaptations import check_adaptation
    from thirtyfold.testing.audits import check_audit
    from thirtyfold.testing.cleaners import check_cleaner
    from thirtyfold.testing.compressors import check_compressor
    from thirtyfold.testing.formats import check_format
    from thirtyfold.testing.frameworks import check_framework
    from thirtyfold.testing.initializers import check_initializer
    from thirtyfold.testing.labelers import check_labeler
    from thirtyfold.testing.layers import check_layer
    from thirtyfold.testing.losses import check_loss
    from thirtyfold.testing.metrics import check_metric
    from thirtyfold.testing.models import check_model
    from thirtyfold.testing.monitors import check_monitor
    from thirtyfold.testing.optimizers import check_optimizer
    from thirtyfold.testing.regularizers import check_regularizer
    from thirtyfold.testing.schedules import check_schedule
    from thirtyfold.testing.searchers import check_searcher
    from thirtyfold.testing.sources import check_source
    from thirtyfold.testing.splitters import check_splitter
    from thirtyfold.testing.targets import check_target
    from thirtyfold.testing.tasks import check_task
    from thirtyfold.testing.triggers import check_trigger
    from thirtyfold.testing.types import check_field_type

__all__ = [
    "check_adaptation",
    "check_audit",
    "check_cleaner",
    "check_compressor",
    "check_field_type",
    "check_format",
    "check_framework",
    "check_initializer",
    "check_labeler",
    "check_layer",
    "check_loss",
    "check_metric",
    "check_model",
    "check_monitor",
    "check_optimizer",
    "check_regularizer",
    "check_schedule",
    "check_searcher",
    "check_source",
    "check_splitter",
    "check_target",
    "check_task",
    "check_trigger",
]

_WHERE = {
    "check_adaptation": "adaptations",
    "check_audit": "audits",
    "check_cleaner": "cleaners",
    "check_compressor": "compressors",
    "check_field_type": "types",
    "check_format": "formats",
    "check_framework": "frameworks",
    "check_initializer": "initializers",
    "check_labeler": "labelers",
    "check_layer": "layers",
    "check_loss": "losses",
    "check_metric": "metrics",
    "check_model": "models",
    "check_monitor": "monitors",
    "check_optimizer": "optimizers",
    "check_regularizer": "regularizers",
    "check_schedule": "schedules",
    "check_searcher": "searchers",
    "check_source": "sources",
    "check_splitter": "splitters",
    "check_target": "targets",
    "check_task": "tasks",
    "check_trigger": "triggers",
}


def __getattr__(name: str) -> Any:
    """Import a check when it is first asked for: each brings the libraries of its family."""
    if name not in _WHERE:
        raise AttributeError(f"module 'thirtyfold.testing' has no attribute '{name}'")
    return getattr(import_module(f"thirtyfold.testing.{_WHERE[name]}"), name)
