"""Consilience: a team of language models that answers as one.

The public names. Each is loaded when it is first used, so `import consilience` is quick and brings in no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Absent": "types", "AnswerFormat": "types", "Draws": "types", "Event": "types", "Example": "types",
    "Message": "types", "Reply": "types", "Request": "types", "Sampling": "types", "Scope": "types",
    "Token": "types", "Usage": "types", "Wording": "types",
    "BudgetError": "errors", "ConfigError": "errors", "ConsilienceError": "errors", "MissingExtraError": "errors",
    "ModelError": "errors", "NoAnswerError": "errors", "StoreError": "errors", "TaskError": "errors",
    "TeamError": "errors",
    "Card": "model", "Model": "model", "Price": "model",
    "Cast": "method", "Dev": "method", "Last": "method", "Level": "method", "Method": "method", "Role": "method",
    "Member": "gather", "Members": "gather", "ask_all": "gather", "ask_each": "gather", "classes": "gather",
    "put": "prompt",
    "Team": "team", "ask": "team", "run_sync": "team",
    "register": "registry",
    "load": "saved", "save": "saved",
    "member": "models.resolve:model", "pool": "models.resolve",
    "task": "tasks",
    # methods
    "BestOfN": "methods.search.best_of_n",
    "BestOnDev": "methods.route.best_on_dev",
    "Cascade": "methods.route.cascade",
    "Contrast": "methods.token.contrast",
    "Dare": "methods.weight.dare",
    "DareTies": "methods.weight.dare",
    "GreedySoup": "methods.weight.greedy_soup",
    "KnnRouter": "methods.route.knn_router",
    "LlmBlender": "methods.text.llm_blender",
    "LogitFusion": "methods.token.logit_fusion",
    "MajorityVote": "methods.text.majority_vote",
    "MixtureOfAgents": "methods.text.mixture_of_agents",
    "MultiagentRefine": "methods.text.refine",
    "PromptRouting": "methods.route.prompt_routing",
    "RandomMember": "methods.route.random_member",
    "SelfConsistency": "methods.text.self_consistency",
    "StructuredInteraction": "methods.text.structured_interaction",
    "TaskArithmetic": "methods.weight.task_arithmetic",
    "Ties": "methods.weight.ties",
    "UniformSoup": "methods.weight.uniform_soup",
}
"""Public name -> the room that it lives in (`room:other_name` where it is called otherwise there)."""

__all__ = sorted([*_HOME, "__version__"])  # type: ignore[assignment]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'consilience' has no attribute {name!r}")
    room, _, inner = _HOME[name].partition(":")
    value = getattr(importlib.import_module(f"{__name__}.{room}"), inner or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
