"""Configs of MoCo become experiments that load, and what has no counterpart is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from consilience.bench import load
from consilience.cli.moco import BOOK, LATER
from consilience.registry import find, methods
from tests.cli.scene import call

MODELS = ["Qwen/Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-7B-Instruct"]


def config(folder: Path, method: str, **hyperparameters: Any) -> Path:
    """A config as MoCo's own examples are written, and the task's file beside it."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "agieval_tiny.json").write_text(json.dumps({"task_type": "multiple_choice", "dev": [], "test": []}))
    path = folder / f"{method}.json"
    path.write_text(json.dumps({
        "method": method, "task": "agieval_tiny", "task_type": "multiple_choice", "gpu_ids": [0, 1], "model_names": MODELS,
        "hyperparameters": {"max_response_length": 512, "temperature": 0.7, "top_p": 0.9, "batch_size": 32,
                            **hyperparameters}}))
    return path


def converted(folder: Path, method: str, **hyperparameters: Any) -> tuple[dict[str, Any], str]:
    out = folder / "experiment.yaml"
    result = call("import-moco", config(folder, method, **hyperparameters), "--out", out)
    assert result.exit_code == 0, result.output
    return yaml.safe_load(out.read_text()), result.stderr


def test_a_majority_vote(tmp_path: Path) -> None:
    experiment, _ = converted(tmp_path, "text_majority_vote")
    assert experiment["pool"] == [f"hf:{m}" for m in MODELS] and experiment["methods"] == ["majority-vote"]
    assert experiment["sampling"] == {"max_tokens": 512, "temperature": 0.7, "top_p": 0.9}
    assert experiment["tasks"] == [str(tmp_path / "data" / "agieval_tiny.json")]


@pytest.mark.parametrize(("method", "given", "options"), [
    ("text_multiagent_refine", {"round": 2}, {"rounds": 2, "early_stop": False}),
    ("text_moa", {"round": 1}, {"layers": 2}),
    ("text_structure", {"structure_type": "star", "num_rounds": 2}, {"structure": "wheel", "rounds": 2, "early_stop": False}),
    ("text_llm_blender", {"top_k": 2, "fuser_model_name": "Qwen/Qwen2.5-7B-Instruct"},
     {"top": 2, "roles": {"fuser": "hf:Qwen/Qwen2.5-7B-Instruct"}}),
    ("weight_dare_ties", {"base_model_name": "Qwen/Qwen2.5-3B", "mode": "average"},
     {"density": 1.0, "roles": {"base": "hf:Qwen/Qwen2.5-3B"}}),
    ("api_cascade", {"mode": "just_ask", "percentage": 0.3}, {"quantile": 0.3, "order": "given", "confidence": "ask"}),
    ("api_prompt_routing", {"model_descriptions": ["small", "large"]}, {"descriptions": ["small", "large"]}),
    ("api_nudging", {"gamma": 0.3, "search_gamma": False, "base_model_id": 1, "nudging_model_id": 0},
     {"gamma": 0.3, "roles": {"base": f"hf:{MODELS[1]}", "nudger": f"hf:{MODELS[0]}"}}),
    ("api_nudging", {"search_gamma": True},
     {"gamma": None, "roles": {"base": f"hf:{MODELS[0]}", "nudger": f"hf:{MODELS[1]}"}}),
    ("api_mentor_collab", {"decision_proportion": 25, "mode": "free"},
     {"share": 0.25, "roles": {"generator": f"hf:{MODELS[0]}", "mentor": f"hf:{MODELS[1]}"}}),
    ("api_collm", {"deferral_threshold": 0.3, "deferral_strategy": "compose"},
     {"eta": 0.3, "decode": "compose", "roles": {"base": f"hf:{MODELS[0]}", "assistant": f"hf:{MODELS[1]}"}}),
    ("api_switch_generation", {"patch_size": 10, "selector_model_name": "bunsenfeng/PFA_switcher_1"},
     {"patch": 10, "roles": {"selector": "hf:bunsenfeng/PFA_switcher_1"}}),
    ("api_trained_router", {}, {"roles": {"router": "hf:Qwen/Qwen2.5-7B-Instruct"}}),
    ("api_graph_routing", {"embedding_model": "all-MiniLM-L6-v2", "hidden_features": 16},
     {"label": "best", "width": 16, "embedding": "sentence-transformers:all-MiniLM-L6-v2"}),
    ("text_multiagent_feedback", {"round": 2, "feedback_count": 1}, {"rounds": 2, "critics": 1, "early_stop": False}),
    ("text_agglm", {"agg_model": "Qwen/Qwen2.5-1.5B-Instruct", "reuse_log": True},
     {"roles": {"fuser": "hf:Qwen/Qwen2.5-1.5B-Instruct"}}),
    ("text_slm_mux", {"samples_per_model": 3, "tie": "dev-based"}, {"draws": 3}),
    ("text_bbmas", {"max_iterations": 20, "max_num_agents_to_act": 2}, {"iterations": 20, "acting": 2}),
    ("text_heterogeneous_swarms", {"population": 3}, {"particles": 3}),
    ("logit_logit_contrastive", {"k": 1}, {"k": 1, "alpha": 0.0}),
])
def test_options_are_mapped(tmp_path: Path, method: str, given: dict[str, Any], options: dict[str, Any]) -> None:
    experiment, _ = converted(tmp_path, method, **given)
    assert experiment["methods"] == [{BOOK[method].method: options}]


@pytest.mark.parametrize("method", [m for m, ours in BOOK.items() if ours.method in methods()])
def test_what_comes_out_is_a_valid_experiment(tmp_path: Path, method: str) -> None:
    converted(tmp_path, method, round=2, structure_type="chain", k=1)
    [entry] = load(tmp_path / "experiment.yaml").methods or ()
    known = {f for f in find(entry.method).__dataclass_fields__}
    assert set(entry.options) <= known


def test_methods_that_are_here_are_not_put_off() -> None:
    ours = {name.replace("-", "").rstrip("s") for name in methods()}
    assert not ours & {name.partition("_")[2].replace("_", "").rstrip("s") for name in LATER}
    assert all(name.method in methods() for name in BOOK.values() if name.method)


def test_remarks_and_last_commas_as_in_the_guide_of_moco_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "guide.json").write_text("""{
        "method": "api_prompt_routing", // names like "<type>_<approach>.py"
        "task": "agieval",
        "model_names": ["https://host/model, 1", "model_2",], //////////////////////////////////////////////////////////////////////////////// a list
        "hyperparameters": {
            "batch_size": 8, // per GPU batch size
            // and then, method-specific hyperparameters
            ////////////////////////////////////////////////////////////////////////////////
        }
    }""")
    result = call("import-moco", tmp_path / "guide.json")
    assert result.exit_code == 0, result.stderr
    assert yaml.safe_load(result.stdout)["pool"] == ["hf:https://host/model, 1", "hf:model_2"]


def test_a_place_beyond_the_models_is_an_error(tmp_path: Path) -> None:
    result = call("import-moco", config(tmp_path, "api_nudging", base_model_id=2))
    assert result.exit_code == 2 and "model_names has 2 models; there is none at place 2" in result.stderr


def test_what_has_no_counterpart_is_named(tmp_path: Path) -> None:
    _, told = converted(tmp_path, "text_majority_vote", tie="random", big_model_mode=True)
    assert "tie = 'random' has no counterpart" in told and "big_model_mode" not in told


@pytest.mark.parametrize("method", LATER)
def test_methods_that_are_not_here_are_named(tmp_path: Path, method: str) -> None:
    result = call("import-moco", config(tmp_path, method))
    assert result.exit_code == 2 and f"MoCo's {method} is not here yet" in result.stderr


def test_a_missing_task_file_is_said(tmp_path: Path) -> None:
    path = config(tmp_path, "text_majority_vote")
    path.write_text(path.read_text().replace("agieval_tiny", "elsewhere"))
    result = call("import-moco", path)
    assert result.exit_code == 0 and "elsewhere.json was not found" in result.stderr
    assert yaml.safe_load(result.stdout)["tasks"] == ["elsewhere.json"]


@pytest.mark.parametrize(("text", "message"), [
    ("{", "is not JSON"), ("[]", "must hold an object"), ('{"methud": "x"}', "Did you mean 'method'"),
    ('{"method": "text_majority_vote", "task": "gsm8k", "model_names": []}', "model_names must be a list"),
    ('{"method": "text_majority_voting", "task": "gsm8k", "model_names": ["a"]}', "Did you mean 'text_majority_vote'"),
    ('{"method": "text_majority_vote", "task": 5, "model_names": ["a"]}', "task must be a text, found 5"),
    ('{"method": "text_majority_vote", "task": "gsm8k", "model_names": ["a", 5]}', "model_names: expected names of models, found 5"),
])
def test_a_wrong_config_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.json").write_text(text)
    result = call("import-moco", tmp_path / "config.json")
    assert result.exit_code == 2 and message in result.stderr


def test_a_config_that_is_not_there_is_said(tmp_path: Path) -> None:
    result = call("import-moco", tmp_path / "none.json")
    assert result.exit_code == 2 and "there is no config" in result.stderr
