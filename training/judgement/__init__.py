"""Judgement of a trained score: what an actuary and a model validator need before they sign it.

Everything here reads a finished bundle and rows that it was not fitted on; nothing here changes a score. The outcome is one
document of plain values per version (`training.judgement.judge`).
"""
