"""The live score of fatigue: the live model over the rows of the live fold, its forecast, and the record behind its alerts."""
