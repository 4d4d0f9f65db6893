"""One row: a booster's answer to a single row, without what LightGBM's Python layer prepares anew for each call.

``Booster.predict`` takes 90 microseconds for one row, most of it to copy parameters; LightGBM's C interface has a call
for just this (``LGBM_BoosterPredictForMatSingleRowFast``) that takes 20 and gives the same bits.
"""

import ctypes
import weakref
from typing import Any

from thirtyfold.core.late import Array, np
from thirtyfold.core.lean import lightgbm

__all__ = ["OneRow"]

_NORMAL, _FLOAT32 = 0, 0
"""The C interface's words for a transformed answer and for float32 rows."""


class OneRow:
    """Made once a booster; called with a float32 row of shape (1, features) it gives the answers, shape (outputs,).

    Raises RuntimeError with LightGBM's own words.
    """

    def __init__(self, booster: Any) -> None:
        self._library = lightgbm().basic._LIB
        self._booster = booster  # the settings below point into it
        self._features, self._outputs = booster.num_feature(), booster.num_model_per_iteration()
        self._settings = ctypes.c_void_p()
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            booster._handle,
            _NORMAL,
            0,  # from the first tree
            -1,  # to the last
            _FLOAT32,
            self._features,
            b"num_threads=1",
            ctypes.byref(self._settings),
        )
        weakref.finalize(self, self._library.LGBM_FastConfigFree, self._settings)

    def _call(self, name: str, *given: Any) -> None:
        if getattr(self._library, name)(*given):
            raise RuntimeError(self._library.LGBM_GetLastError().decode())

    def __call__(self, row: Array) -> Array:
        if row.shape != (1, self._features):
            raise RuntimeError(f"a row of shape (1, {self._features}) was expected, got {row.shape}")
        row = np.ascontiguousarray(row, dtype=np.float32)
        out = np.empty(self._outputs)
        length = ctypes.c_int64()
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFast",
            self._settings,
            ctypes.c_void_p(row.ctypes.data),
            ctypes.byref(length),
            ctypes.c_void_p(out.ctypes.data),
        )
        return out
