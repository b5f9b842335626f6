"""Fonts: one with Chinese characters, found through a setting or in the system's folders, and DejaVu, which matplotlib carries.

No font with Chinese characters lies in this repository or in a package that we depend on: those on the package index are either
old, or carry fonts whose licence they do not own. Without one a document is still made; its pictures and PDF are then in English.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from registry.errors import ConfigurationError

FOLDERS: Final = (
    Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("~/.local/share/fonts"), Path("~/.fonts"),
    Path("/System/Library/Fonts"), Path("/Library/Fonts"), Path("~/Library/Fonts"),
)
NAMES: Final = (
    "wqy-microhei.ttc", "NotoSansSC-Regular.otf", "NotoSansSC-Regular.ttf", "SourceHanSansSC-Regular.otf",
    "NotoSansCJKsc-Regular.otf", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf",
    "NotoSansCJK-Regular.ttc", "Hiragino Sans GB.ttc", "STHeiti Light.ttc", "PingFang.ttc",
)
"""File names of fonts with simplified Chinese, the preferred ones first: Debian's `fonts-wqy-microhei` is the smallest."""
SUFFIXES: Final = (".ttf", ".otf", ".ttc")
ADVICE: Final = "install Debian's `fonts-wqy-microhei` or name a font file in ROADRISK_CJK_FONT"


def find_cjk_font(setting: Path | None = None) -> Path | None:
    """Return a font file with Chinese characters; None when this machine has none.

    Parameters
    ----------
    setting
        `Settings.cjk_font`; it goes before the search.

    Raises
    ------
    ConfigurationError
        If the setting names no font file.
    """
    if setting is None:
        return _searched(FOLDERS)
    if not setting.is_file() or setting.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(
            f"no font file ({', '.join(SUFFIXES)}) at {setting}", where="ROADRISK_CJK_FONT",
            remedy="Name a font with Chinese characters, or unset it to have the system's folders searched.",
        )
    return setting


def latin_font(*, bold: bool = False) -> Path:
    """Return DejaVu Sans as matplotlib carries it, for documents without Chinese."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


@lru_cache(maxsize=4)
def _searched(folders: tuple[Path, ...]) -> Path | None:
    there = {
        path.name: path
        for folder in reversed(folders) for path in sorted(folder.expanduser().rglob("*")) if path.name in NAMES
    }
    return next((there[name] for name in NAMES if name in there), None)
