"""Code lists of the data resources: `CODE_LISTS`, those seen in practice first, then those this project assumes."""

from __future__ import annotations

from typing import Final

from registry.codes import assumed, practice
from registry.codes.assumed import CASE_SEVERITY, SeverityClass
from registry.codes.code_list import CodeList

CODE_LISTS: Final[dict[str, CodeList]] = {
    code_list.id: code_list for code_list in (*practice.CODE_LISTS, *assumed.CODE_LISTS)
}
"""Id -> code list; every list is used by a column of some resource."""

__all__ = ["CASE_SEVERITY", "CODE_LISTS", "CodeList", "SeverityClass"]
