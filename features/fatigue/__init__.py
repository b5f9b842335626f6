"""Biomathematical models of fatigue: pure functions of sleep and the clock."""

from __future__ import annotations
