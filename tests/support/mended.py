"""FunASR with its next release's mends, where safeasr follows those.

``pred_timestamp`` of the class Paraformer: FunASR up to 1.4.16 calls its timestamp function with
the peaks where the weights belong and the weights where the peaks belong. The release after that
has them in order. Here the same function is called in that order, whatever release is installed.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

__all__ = ["mend_funasr"]


@functools.cache
def mend_funasr() -> None:
    """Put the arguments of Paraformer's timestamps in order, once for the process."""
    from funasr.models.paraformer import model

    source = inspect.getsource(model.Paraformer.inference)
    arguments = source.partition("ts_prediction_lfr6_standard(")[2].lstrip()
    if not arguments.startswith("timestamp_pre_peak_index"):
        return  # a release that has them in order
    given = model.ts_prediction_lfr6_standard

    def in_order(peaks: Any, alphas: Any, *rest: Any, **options: Any) -> Any:
        return given(alphas, peaks, *rest, **options)

    model.ts_prediction_lfr6_standard = in_order
