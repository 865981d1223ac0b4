"""Tables on pages whose prose is written by hand: what stands between `<!-- measured: NAME -->` and `<!-- /measured -->`."""

from __future__ import annotations

import re
from pathlib import Path


def insert(page: Path, name: str, text: str) -> None:
    """Replace one block of a page. Raises ValueError when the page has no such block."""
    old = page.read_text(encoding="utf-8")
    found = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- /measured -->)", re.S)
    if found.search(old) is None:
        raise ValueError(f"{page} has no block {name!r}")
    page.write_text(found.sub(lambda match: f"{match[1]}{text}\n{match[2]}", old), encoding="utf-8")
