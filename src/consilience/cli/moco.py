"""`consilience import-moco`: a config of MoCo (PyPI `modelco`) becomes an experiment."""

from __future__ import annotations

import json
import os
import re
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
                     "fuser_gpu_id", "reward_model_gpu_id", "use_kv_cache", "reuse_log", "agglm_log_path"})
"""Hyperparameters about MoCo's use of GPUs and folders, which the local host and the store decide by themselves here."""

KEYS = frozenset({"method", "task", "task_type", "gpu_ids", "model_names", "hyperparameters"})

QWEN = "Qwen/Qwen2.5-7B-Instruct"
"""The model that MoCo fine-tunes where a config names none."""

Change = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Ours:
    """What a method of MoCo is called here.

    `options` maps its hyperparameters to (our option, change of value); `roles` maps those that name a model, by its name or
    its place in `model_names`, to our role; `cast` are the models (or places) of roles that the config does not name;
    `always` are options that make ours behave like theirs; `implied` are values that ours has anyway; `note` tells where
    the two differ.
    """

    method: str
    options: Mapping[str, tuple[str, Change]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    cast: Mapping[str, str | int] = field(default_factory=dict)
    always: Mapping[str, Any] = field(default_factory=dict)
    implied: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def _layers(rounds: Any) -> int:
    return int(rounds) + 1


def _confidence(mode: Any) -> Any:
    return {"logit": "mean", "just_ask": "ask"}.get(mode, mode)


def _structure(value: Any) -> str:
    return {"star": "wheel", "other": "custom"}.get(value, value)


def _percent(value: Any) -> float:
    return float(value) / 100


def _searched(search: Any) -> float | None:
    return None if search else 0.4


def _library(name: Any) -> str:
    return f"sentence-transformers:{name}"


BOOK: Mapping[str, Ours] = {
    "api_prompt_routing": Ours("prompt-routing", {"model_descriptions": ("descriptions", _same)}),
    "api_cascade": Ours("cascade", {"percentage": ("quantile", float), "mode": ("confidence", _confidence)},
                        always={"quantile": 0.5, "order": "given"},
                        note="confidence is measured on the emitted tokens, not on the likeliest ones"),
    "api_trained_router": Ours("trained-router", roles={"router_base_model": "router", "reward_model_name": "reward"},
                               cast={"router": QWEN},
                               note="without reward_model_name, ties go to the cheaper member"),
    "api_graph_routing": Ours("graph-router", {"embedding_model": ("embedding", _library), "hidden_features": ("width", int),
                                               "train_mask_rate": ("masked", float)},
                              always={"label": "best", "width": 8}, implied={"scenario": "Performance First", "in_edges": 3},
                              note="vectors of questions are TF-IDF unless embedding_model names a model"),
    "api_nudging": Ours("nudging", {"gamma": ("gamma", float), "search_gamma": ("gamma", _searched)},
                        {"base_model_id": "base", "nudging_model_id": "nudger"}, {"base": 0, "nudger": 1},
                        always={"gamma": 0.4}, implied={"search_gamma": False, "search_nudging": False}),
    "api_switch_generation": Ours("switch-generation", {"patch_size": ("patch", int)}, {"selector_model_name": "selector"},
                                  implied={"objective_flag": False, "wait_flag": False},
                                  note="no selector is fine-tuned: a head on the selector's hidden state is fitted on dev"),
    "api_mentor_collab": Ours("mentor-collab", {"decision_proportion": ("share", _percent), "patch_size": ("patch", int)},
                              cast={"generator": 0, "mentor": 1}, implied={"task": "General"},
                              note="the verifier is a head fitted on dev, in place of both of MoCo's modes"),
    "api_collm": Ours("co-llm", {"deferral_threshold": ("eta", float), "deferral_strategy": ("decode", _same)},
                      cast={"base": 0, "assistant": 1}, always={"eta": 0.5}, implied={"threshold_warmup_schedule": "none"},
                      note="only a head is learned, from the task's own dev questions; no model is fine-tuned"),
    "text_multiagent_refine": Ours("multiagent-refine", {"round": ("rounds", int)}, always={"early_stop": False}),
    "text_multiagent_feedback": Ours("multiagent-feedback", {"round": ("rounds", int), "feedback_count": ("critics", int)},
                                     always={"early_stop": False}),
    "text_knowledge_card": Ours("knowledge-card", {"exclude_self": ("exclude_self", bool)}),
    "text_agglm": Ours("agglm", roles={"agg_model": "fuser"},
                       note="the aggregator is not trained; without agg_model it is the best member on dev"),
    "text_slm_mux": Ours("slm-mux", {"samples_per_model": ("draws", int)}, implied={"tie": "dev-based", "seed": 42}),
    "text_bbmas": Ours("blackboard", {"max_num_agents_to_act": ("acting", int), "min_num_agents_to_stop": ("stops", int),
                                      "agent_idle_threshold": ("idle", int), "max_iterations": ("iterations", int),
                                      "max_num_retries": ("tries", int)}, always={"iterations": 50}),
    "text_heterogeneous_swarms": Ours("heterogeneous-swarm", {"population": ("particles", int),
                                                              "max_iterations": ("iterations", int)},
                                      note="graphs are tried on at most 50 dev questions, not on a share of them"),
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
    "logit_logit_contrastive": Ours("top-bottom-contrast", {"k": ("k", int)}, always={"alpha": 0.0}),
    "weight_greedy_soup": Ours("greedy-soup"),
    "weight_dare_ties": Ours("dare-ties", {"density": ("density", float)}, {"base_model_name": "base"},
                             always={"density": 1.0}, implied={"mode": "average"},
                             note="the factor of the merged changes is chosen on dev"),
    "single_model": Ours("", note="every experiment shows each single member"),
}
"""The methods of MoCo that we have."""

LATER = ("text_multiagent_finetuning", "text_sparta", "text_sparta_stackelberg", "weight_expo", "weight_lorahub",
         "weight_model_swarms")
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


_REMARK = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")|//.*|,(?=(?:\s|//.*\n)*[}\]])')
"""A text, which stays, or what MoCo's guide writes into its configs and JSON does not know: a remark, a last comma."""


def read_config(path: Path) -> Mapping[str, Any]:
    """The values of a config, its keys checked."""
    try:
        config = json.loads(_REMARK.sub(lambda found: found["text"] or "", path.read_text(encoding="utf-8")))
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
    options, roles = dict(ours.always), {role: _player(who, pool) for role, who in ours.cast.items()}
    for key, value in given.items():
        if key in MACHINE or (key in ours.implied and ours.implied[key] == value):
            continue
        if key in ours.options:
            option, change = ours.options[key]
            options[option] = change(value)
        elif key in ours.roles:
            roles[ours.roles[key]] = _player(value, pool)
        else:
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


def _player(who: Any, pool: Sequence[str]) -> str:
    """A model by its name, or by its place in `model_names`."""
    if not isinstance(who, int):
        return _member(who)
    if not 0 <= who < len(pool):
        raise ConfigError(f"model_names has {len(pool)} models; there is none at place {who}, counted from 0")
    return pool[who]


def _task(name: str, folders: Sequence[Path], notes: list[str]) -> str:
    for folder in folders:
        for ending in (".json", ".json.gz"):
            if (folder / f"{name}{ending}").exists():
                return str((folder / f"{name}{ending}").resolve())
    notes.append(f"the task file {name}.json was not found; name the folder of MoCo's data with --data")
    return f"{name}.json"
