"""The Python client, written from the OpenAPI document: one method per operation, nothing that the contract does not say."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

HEADER: Final = '''"""Every call of the service as a method. Generated from its OpenAPI document by `roadrisk docs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.transport import Transport


class Api(Transport):
    """The calls of one service."""
'''
JSON: Final = "application/json"
KEY: Final = "Idempotency-Key"
WIDTH: Final = 118


def client_source(document: Mapping[str, Any]) -> str:
    """Return the module of the client.

    Parameters
    ----------
    document
        The OpenAPI document. Operations whose answer is no JSON (figures, health, files) are left out.
    """
    methods = [
        _method(path, verb, operation)
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
        if _speaks_json(operation)
    ]
    return HEADER + "".join(methods)


def _speaks_json(operation: Mapping[str, Any]) -> bool:
    answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    body = operation.get("requestBody", {}).get("content", {JSON: None})
    return all(JSON in answer.get("content", {}) for answer in answers) and list(body) == [JSON]


def _method(path: str, verb: str, operation: Mapping[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    in_path = [_name(one["name"]) for one in parameters if one["in"] == "path"]
    body = ["body: Mapping[str, Any]"] if "requestBody" in operation else []
    named = [f"{_name(one['name'])}: {_type(one)} | None = None" for one in parameters if one["in"] != "path"]
    signature = ", ".join(["self", *(f"{name}: str" for name in in_path), *body, *(["*", *named] if named else [])])
    lines = [
        "", *_wrapped(f"    def {operation['operationId']}({signature}) -> dict[str, Any]:", signature),
        f'        """{_sentence(operation)}', "", f"        `{verb.upper()} {path}`.", '        """',
        *_wrapped_call(path, verb, operation, parameters),
    ]
    return "\n".join(lines) + "\n"


def _wrapped(line: str, signature: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    head, tail = line.split("(", 1)[0] + "(", ") -> dict[str, Any]:"
    return [head, *textwrap.wrap(signature, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8), "    " + tail]


def _wrapped_call(
    path: str, verb: str, operation: Mapping[str, Any], parameters: list[Mapping[str, Any]]
) -> Iterator[str]:
    written = re.sub(r"\{(\w+)\}", lambda found: "{" + _name(found[1]) + "}", path)
    prefix = "f" if "{" in written else ""
    arguments = [f'"{verb.upper()}"', f'{prefix}"{written}"']
    if "requestBody" in operation:
        arguments.append("body=dict(body)")
    if query := [one for one in parameters if one["in"] == "query"]:
        pairs = ", ".join(f'"{one["name"]}": {_name(one["name"])}' for one in query)
        arguments.append(f"query={{{pairs}}}")
    if headers := [one for one in parameters if one["in"] == "header"]:
        pairs = ", ".join(f'"{one["name"]}": {_name(one["name"])}' for one in headers)
        arguments.append(f"headers={{{pairs}}}")
    if any(one["name"] == KEY for one in parameters):
        arguments.append("once=True")
    call = ", ".join(arguments)
    if len(call) + 26 <= WIDTH:
        yield f"        return self.call({call})"
        return
    yield "        return self.call("
    for argument in arguments:
        yield from textwrap.wrap(f"{argument},", WIDTH, initial_indent=" " * 12, subsequent_indent=" " * 16)
    yield "        )"


def _sentence(operation: Mapping[str, Any]) -> str:
    # Of a summary in two languages a docstring takes the English one.
    english = re.sub(r"[（(][^()（）]*[\u4e00-\u9fff][^()（）]*[)）]", "", operation["summary"]).split("：")[-1].strip()
    text = english.split(": ", 1)[-1] if re.match(r"[\u4e00-\u9fff]", english) else english
    return text[:1].upper() + text[1:] + "."


def _name(name: str) -> str:
    return name.removeprefix("X-").replace("-", "_").lower()


def _type(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    kinds = {one.get("type") for one in schema.get("anyOf", [schema])}
    return next((python for kind, python in (("boolean", "bool"), ("integer", "int")) if kind in kinds), "str")
