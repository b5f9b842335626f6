"""Classes of fleet size (车队规模) by number of vehicles: one list for peer groups, for the adapted SMS and for segments."""

from __future__ import annotations

from typing import Final

FLEET_SIZE_EDGES: Final = (2, 10, 50, 200)
"""Vehicles from which an operator belongs to the next class: 2-9, 10-49, 50-199, 200 and more. [A]"""
