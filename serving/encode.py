"""Answers as bytes. One encoding for what is sent and what an idempotency key keeps."""

from __future__ import annotations

from typing import Any

import orjson


def encoded(document: Any) -> bytes:
    """Return a document as UTF-8 JSON; floats in the shortest form that reads back the same.

    Raises
    ------
    TypeError
        If it holds what JSON has no form for.
    """
    return orjson.dumps(document)
