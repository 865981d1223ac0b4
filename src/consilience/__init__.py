"""Consilience: a team of language models that answers as one.

The public names. Each is loaded when it is first used, so `import consilience` is quick and brings in no torch.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Absent": "types", "AnswerFormat": "types", "Draws": "types", "Event": "types", "Example": "types",
    "Message": "types", "Reply": "types", "Request": "types", "Sampling": "types", "Scope": "types",
    "Token": "types", "Usage": "types", "Wording": "types",
    "BudgetError": "errors", "ConfigError": "errors", "ConsilienceError": "errors", "MissingExtraError": "errors",
    "ModelError": "errors", "NoAnswerError": "errors", "StoreError": "errors", "TaskError": "errors",
    "TeamError": "errors",
    "Card": "model", "Model": "model", "Price": "model", "stream_whole": "model",
    "Cast": "method", "Dev": "method", "Last": "method", "Level": "method", "Method": "method", "Ordered": "method", "Role": "method",
    "Member": "gather", "Members": "gather", "ask_all": "gather", "ask_each": "gather", "classes": "gather",
    "put": "prompt", "render": "prompt", "worded": "prompt",
    "Team": "team", "ask": "team", "run_sync": "team",
    "register": "registry",
    "load": "saved", "save": "saved",
    "member": "models.resolve:model", "pool": "models.resolve",
    "task": "tasks",
}
"""Public name -> the room that it lives in (`room:other_name` where it is called otherwise there)."""


def __getattr__(name: str) -> Any:
    """A public name, loaded now. Besides those of `_HOME`, every registered method is one by its class name."""
    if name == "__all__":
        return sorted([*_HOME, *_methods(), "__version__"])
    if name in _HOME:
        room, _, inner = _HOME[name].partition(":")
        value = getattr(importlib.import_module(f"{__name__}.{room}"), inner or name)
    elif not name.startswith("_") and name in _methods():
        value = _methods()[name]
    else:
        raise AttributeError(f"module 'consilience' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    globals()[name] = value
    return value


def _methods() -> dict[str, type]:
    from consilience.registry import methods

    return {cls.__name__: cls for cls in methods().values()}


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
