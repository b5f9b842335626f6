"""Where training ends and testing begins, counted back from the newest labelled instant."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from training.splits import FOLD, out_of_time


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The out-of-time split of a product.

    Parameters
    ----------
    test_d
        Days before the newest labelled instant at which the test period begins.
    embargo_d
        Days between the last development instant and the test period: at least the outcome's horizon, so that no outcome
        that training saw falls into the test period.
    valid_d
        Length of the validation period, the newest part of the development period: early stopping looks at no other.
    """

    test_d: float
    embargo_d: float
    valid_d: float

    def fold(self, frame: pd.DataFrame, *, time: str) -> pd.DataFrame:
        """Return the frame with its fold column."""
        test_from = frame[time].max() - pd.Timedelta(days=self.test_d)
        valid_from = test_from - pd.Timedelta(days=self.embargo_d + self.valid_d)
        folds = out_of_time(
            frame[time], valid_from=valid_from, test_from=test_from, embargo_d=self.embargo_d
        )
        return frame.assign(**{FOLD: folds})
