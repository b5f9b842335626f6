from __future__ import annotations

import re

import pytest

from serving.json_check import RefusedBody, check_json


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"\xff\xfe{}", 400, "not UTF-8 at byte 0"),
        (b'{"a": 1, "a": 2}', 400, "the same name twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', 400, "the same name twice"),
        (b'{"a": NaN}', 400, "NaN, which is no JSON number"),
        (b'{"a": -Infinity}', 400, "-Infinity, which is no JSON number"),
        (b'{"a": 1e999}', 422, "beyond the range of a double"),
        (b'{"a": 9007199254740993}', 422, "beyond 2^53"),
        (b'{"a": ' + b"9" * 5000 + b"}", 422, "beyond 2^53"),
        (b"[" * 17 + b"]" * 17, 422, "nested deeper than 16"),
        (b"[" * 100_000, 422, "nested deeper than 16"),
        (b'{"a": ', 400, "no JSON"),
        (b"", 400, "no JSON"),
        (b'{"a": 1} x', 400, "no JSON"),
        (b'{"a": "\\ud800"}', 400, "half of a surrogate pair"),
        ("\ufeff{}".encode(), 400, "no JSON"),
    ],
)
def test_a_body_that_is_no_strict_json_is_refused(body, status, detail):
    with pytest.raises(RefusedBody, match=re.escape(detail)) as caught:
        check_json(body)
    assert caught.value.problem.status == status


@pytest.mark.parametrize("body", [b"{}", b"null", '{"车牌": "赣A12345", "x": [1, 2.5e-3, null, "😀"]}'.encode()])
def test_strict_json_passes(body):
    check_json(body)
