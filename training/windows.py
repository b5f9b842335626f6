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
        Days between the last training instant and the test period: at least the outcome's horizon, so that no outcome
        that training saw falls into the test period.
    holdout_share
        Share of the groups that early stopping and calibration see and training does not.
    """

    test_d: float
    embargo_d: float
    holdout_share: float = 0.2

    def fold(self, frame: pd.DataFrame, *, time: str, group: str, seed: int) -> pd.DataFrame:
        """Return the frame with its fold column."""
        test_from = frame[time].max() - pd.Timedelta(days=self.test_d)
        until = test_from - pd.Timedelta(days=self.embargo_d)
        folds = out_of_time(
            frame, time=time, group=group, train_until=until, valid_until=until, test_from=test_from,
            embargo_d=self.embargo_d, holdout_share=self.holdout_share, seed=seed,
        )
        return frame.assign(**{FOLD: folds})
