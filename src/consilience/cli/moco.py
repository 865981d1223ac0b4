"""`consilience import-moco`: a config of MoCo (PyPI `modelco`) becomes an experiment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from consilience.cli.console import say, whisper
from consilience.errors import ConfigError, did_you_mean

SAMPLING = {"max_response_length": "max_tokens", "temperature": "temperature", "top_p": "top_p"}
"""MoCo's hyperparameter -> ours, for all methods."""

MACHINE = frozenset({"batch_size", "big_model_mode", "load_in_8bit", "max_parallel_models", "ranker_gpu_id",
                     "fuser_gpu_id", "reward_model_gpu_id"})
"""Hyperparameters about MoCo's use of GPUs, which the local host decides by itself here."""

KEYS = frozenset({"method", "task", "task_type", "gpu_ids", "model_names", "hyperparameters"})

Change = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Ours:
    """What a method of MoCo is called here.

    `options` maps its hyperparameters to (our option, change of value); `roles` maps those that name a model to our
    role; `always` are options that make ours behave like theirs; `implied` are values that ours has anyway; `note`
    tells where the two differ.
    """

    method: str
    options: Mapping[str, tuple[str, Change]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    always: Mapping[str, Any] = field(default_factory=dict)
    implied: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def _layers(rounds: Any) -> int:
    return int(rounds) + 1


def _confidence(mode: Any) -> Any:
    return {"logit": "mean", "just_ask": "ask"}.get(mode, mode)


def _structure(value: Any) -> str:
    return {"star": "wheel", "other": "custom"}.get(value, value)


BOOK: Mapping[str, Ours] = {
    "api_prompt_routing": Ours("prompt-routing", {"model_descriptions": ("descriptions", _same)}),
    "api_cascade": Ours("cascade", {"percentage": ("quantile", float), "mode": ("confidence", _confidence)},
                        always={"quantile": 0.5, "order": "given"},
                        note="confidence is measured on the emitted tokens, not on the likeliest ones"),
    "api_trained_router": Ours("knn-router", note="MoCo fine-tunes a language model as router; ours looks at the nearest "
                                                  "dev questions"),
    "text_multiagent_refine": Ours("multiagent-refine", {"round": ("rounds", int)}, always={"early_stop": False}),
    "text_moa": Ours("mixture-of-agents", {"round": ("layers", _layers)}, always={"layers": 2}),
    "text_llm_blender": Ours("llm-blender", {"top_k": ("top", int), "ranker_max_response_length": ("judge_tokens", int)},
                             {"ranker_model_name": "judge", "fuser_model_name": "fuser"},
                             note="the ranker and fuser are not trained here"),
    "text_majority_vote": Ours("majority-vote", implied={"tie": "dev-based"},
                               note="ties go to the member that is better on dev, not to chance"),
    "text_structure": Ours("structured-interaction", {"structure_type": ("structure", _structure),
                                                      "num_rounds": ("rounds", int), "structure_matrix": ("matrix", _same)},
                           always={"early_stop": False}, note="what MoCo calls a star is a wheel (its leaves form a ring)"),
    "logit_logit_fusion": Ours("logit-fusion"),
    "logit_logit_contrastive": Ours("contrast", always={"alpha": 0.2, "nucleus": 1.0}, implied={"k": 1}),
    "weight_greedy_soup": Ours("greedy-soup"),
    "weight_dare_ties": Ours("dare-ties", {"density": ("density", float)}, {"base_model_name": "base"},
                             always={"density": 1.0}, implied={"mode": "average"},
                             note="the factor of the merged changes is chosen on dev"),
    "single_model": Ours("", note="every experiment shows each single member"),
}
"""The methods of MoCo that we have."""

LATER = ("api_collm", "api_graph_routing", "api_mentor_collab", "api_nudging", "api_switch_generation", "text_agglm",
         "text_bbmas", "text_heterogeneous_swarms", "text_knowledge_card", "text_multiagent_feedback",
         "text_multiagent_finetuning", "text_slm_mux", "text_sparta", "text_sparta_stackelberg", "weight_expo",
         "weight_lorahub", "weight_model_swarms")
"""The methods of MoCo that we do not have yet."""


def import_moco(
    config: Annotated[Path, typer.Argument(help="MoCo's config: a JSON file with method, task, model_names, ....")],
    out: Annotated[Path | None, typer.Option(help="Write the experiment here. [default: stdout]")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of MoCo's task files (its `data/`). [default: looked for "
                                                   "beside the config and in CONSILIENCE_DATA]")] = None,
) -> None:
    """Turn a config of MoCo into an experiment for `consilience bench`.

    \b
    Examples:
      consilience import-moco examples/text_majority_vote.json --data model_collaboration/data --out vote.yaml
      consilience import-moco config.json | less
    """
    experiment, notes = convert(read_config(config), _folders(config, data))
    text = "".join(f"# {note}\n" for note in notes) + yaml.safe_dump(experiment, sort_keys=False, allow_unicode=True)
    for note in notes:
        whisper(note, style="yellow")
    if out is None:
        say(text.rstrip())
        return
    out.write_text(text, encoding="utf-8")
    whisper(f"written: {out}. Next: consilience bench {out} --dry-run")


def read_config(path: Path) -> Mapping[str, Any]:
    """The values of a config, its keys checked."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"there is no config {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path} must hold an object with method, task and model_names")
    for key in config:
        if key not in KEYS:
            raise ConfigError(f"{path}: unknown key {key!r}.{did_you_mean(key, KEYS)}")
    for key, kind in (("method", str), ("task", str), ("model_names", list)):
        if not isinstance(config.get(key), kind) or not config[key]:
            raise ConfigError(f"{path}: {key} must be a {'text' if kind is str else 'list of models'}, "
                              f"found {config.get(key)!r}")
    return config


def _folders(config: Path, data: Path | None) -> list[Path]:
    """Where the task's file may lie."""
    if data is not None:
        return [data]
    near = [folder for parent in list(config.resolve().parents)[:3]
            for folder in (parent / "data", parent / "model_collaboration" / "data")]
    shared = os.getenv("CONSILIENCE_DATA")
    return near + ([Path(shared) / "tasks"] if shared else [])


def convert(config: Mapping[str, Any], folders: Sequence[Path]) -> tuple[dict[str, Any], list[str]]:
    """The experiment, and notes on what could not be taken over as it is. Raises ConfigError."""
    ours = _ours(config["method"])
    notes = [f"{config['method']}: {ours.note}"] if ours.note else []
    given = dict(config.get("hyperparameters") or {})
    sampling = {SAMPLING[key]: given.pop(key) for key in list(given) if key in SAMPLING}
    pool = [_member(name) for name in config["model_names"]]
    options, roles = dict(ours.always), {}
    for key, value in given.items():
        if key in ours.options:
            option, change = ours.options[key]
            options[option] = change(value)
        elif key in ours.roles:
            roles[ours.roles[key]] = _member(value)
        elif key not in MACHINE and (key, value) not in ours.implied.items():
            notes.append(f"{config['method']}: hyperparameter {key} = {value!r} has no counterpart and was left out")
    told = options | ({"roles": roles} if roles else {})
    entry = ([{ours.method: told}] if told else [ours.method]) if ours.method else []
    experiment: dict[str, Any] = {"name": f"{config['method']}-{config['task']}", "pool": pool,
                                  "tasks": [_task(config["task"], folders, notes)], "methods": entry,
                                  "sampling": sampling, "seed": 0}
    return {key: value for key, value in experiment.items() if value not in ({}, None)}, notes


def _ours(method: str) -> Ours:
    from consilience.registry import methods

    if method in BOOK and (not BOOK[method].method or BOOK[method].method in methods()):
        return BOOK[method]
    if method in LATER or method in BOOK:
        here = ", ".join(sorted(name for name, ours in BOOK.items() if not ours.method or ours.method in methods()))
        raise ConfigError(f"MoCo's {method} is not here yet. Of MoCo's methods there are: {here}")
    raise ConfigError(f"MoCo has no method {method!r}.{did_you_mean(method, [*BOOK, *LATER])}")


def _member(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"model_names: expected names of models, found {name!r}")
    return f"hf:{name}"


def _task(name: str, folders: Sequence[Path], notes: list[str]) -> str:
    for folder in folders:
        for ending in (".json", ".json.gz"):
            if (folder / f"{name}{ending}").exists():
                return str((folder / f"{name}{ending}").resolve())
    notes.append(f"the task file {name}.json was not found; name the folder of MoCo's data with --data")
    return f"{name}.json"
