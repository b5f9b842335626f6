"""Forms that come in: short, url-encoded, from our own pages, every field once."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.types import Receive, Scope

from serving.limits import header_of, next_message
from serving.problems import Problem

MOST_BYTES: Final = 16 * 1024
MOST_FIELDS: Final = 200
WAIT_S: Final = 15.0
TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
_TYPE: Final = "application/x-www-form-urlencoded"


class FormRefused(Exception):
    """A form that is not accepted; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


def header(scope: Scope, name: bytes) -> str:
    """Return a header of a request, empty where there is none."""
    return header_of(scope, name).decode("latin-1")


def check_origin(scope: Scope) -> None:
    """Refuse a form that a page of somebody else sent.

    Raises
    ------
    FormRefused
        If the browser says that it comes from another site.
    """
    origin, site = header(scope, b"origin"), header(scope, b"sec-fetch-site")
    foreign = origin and urlsplit(origin).netloc != header(scope, b"host")
    if foreign or site not in ("", "same-origin"):
        raise FormRefused(foreign_form())


def foreign_form() -> Problem:
    """Return the problem of a form without the right token."""
    return Problem(
        slug="foreign-form", title="Form refused", status=403, detail="the form does not come from a page of this session",
        remedy="Open the page again and send the form from there.",
    )


async def read_form(scope: Scope, receive: Receive) -> dict[str, str]:
    """Return the fields of a form.

    Raises
    ------
    FormRefused
        If the body is no url-encoded form, is too long or too slow, or names a field twice.
    """
    body = await _body(receive)
    if header(scope, b"content-type").partition(";")[0].strip().lower() != _TYPE:
        raise FormRefused(Problem(
            slug="unsupported-media-type", title="Unsupported media type", status=415, detail="the body is no form",
        ))
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise FormRefused(_unreadable()) from error
    if len({name for name, _ in fields}) != len(fields):
        raise FormRefused(_unreadable())
    return dict(fields)


async def _body(receive: Receive) -> bytes:
    chunks, total, deadline = [], 0, time.monotonic() + WAIT_S
    while True:
        try:
            message = await next_message(receive, deadline)
        except TimeoutError:
            raise FormRefused(Problem(
                slug="body-too-slow", title="Body too slow", status=408, detail="the form did not arrive in time",
            )) from None
        chunks.append(message.get("body", b""))
        total += len(chunks[-1])
        if total > MOST_BYTES:
            raise FormRefused(Problem(
                slug="body-too-long", title="Body too long", status=413, headers={"Connection": "close"},
                detail=f"the form is longer than {MOST_BYTES} bytes",
            ))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return b"".join(chunks)


def _unreadable() -> Problem:
    return Problem(slug="malformed-form", title="Malformed form", status=400, detail="the form cannot be read")
