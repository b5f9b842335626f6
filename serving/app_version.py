"""The version of the HTTP contract."""

from __future__ import annotations

from typing import Final

API_VERSION: Final = "1.1.0"
"""Semantic: a new field or path raises the middle number, anything that breaks a caller the first, which is the path's too."""
