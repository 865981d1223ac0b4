"""Runs in the peer's environment: fits LLMRouter's routers on the splits named, and prints whom they choose as JSON lines."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from llmrouter.models import (KNNRouter, KNNRouterTrainer, MFRouter, MFRouterTrainer, MLPRouter, MLPTrainer, SVMRouter,
                              SVMRouterTrainer)

HYPER: dict[str, dict[str, Any]] = {
    "knn": {"n_neighbors": 5, "weights": "uniform", "metric": "minkowski", "p": 2},
    "svm": {"kernel": "rbf", "C": 1.0, "gamma": "scale", "probability": True},
    "mlp": {"hidden_layer_sizes": [128, 64], "activation": "relu", "lr": 0.001, "epochs": 100, "batch_size": 32, "alpha": 0.0001},
    "mf": {"latent_dim": 128, "lr": 0.001, "epochs": 5, "noise_alpha": 0.0},
}
CLASSES = {"knn": (KNNRouter, KNNRouterTrainer), "svm": (SVMRouter, SVMRouterTrainer), "mlp": (MLPRouter, MLPTrainer),
           "mf": (MFRouter, MFRouterTrainer)}


def configured(folder: Path, kind: str, score: np.ndarray, x: np.ndarray) -> str:
    """LLMRouter's files for this split: routing data, embeddings, and a configuration; the configuration's path.

    Its label of a question on which several members are equally good is the one whose row stands first: the best on dev
    stands first here, which serves it best.
    """
    order = np.argsort(-score.mean(axis=0), kind="stable")
    rows = [{"query": f"q{i}", "embedding_id": i, "model_name": f"m{m}", "performance": float(score[i, m])}
            for i in range(len(score)) for m in order]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    torch.save(torch.from_numpy(x), folder / "embeddings.pt")
    config = {"data_path": {"routing_data_train": str(folder / "train.jsonl"), "query_embedding_data": str(folder / "embeddings.pt")},
              "model_path": {"ini_model_path": "", "save_model_path": str(folder / "saved.pkl"), "load_model_path": ""},
              "hparam": HYPER[kind] | ({"text_dim": x.shape[1]} if kind == "mf" else {})}
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def chosen(kind: str, router: Any, trainer: Any, x: np.ndarray) -> list[int]:
    """Places of the members that a fitted router chooses, from what its `route_single` does behind the embedding."""
    if kind in ("knn", "svm"):
        names = getattr(router, f"{kind}_model").predict(x)
    elif kind == "mlp":
        names = [router.idx_to_model[int(i)] for i in trainer.model.predict(torch.from_numpy(x))]
    else:
        with torch.no_grad():
            project, score = trainer.model.project_text, trainer.model.score_all
            names = [router.idx_to_model[int(torch.argmax(score(project(row))))] for row in torch.from_numpy(x)]
    return [int(str(name)[1:]) for name in names]


def play(folder: Path, kind: str, path: str) -> dict[str, Any]:
    """Fit one router on a split and let it choose on its test questions."""
    torch.manual_seed(0)
    arena = np.load(path)
    told: dict[str, Any] = {"router": kind, "error": "", "fit": 0.0, "decide": 0.0, "choice": []}
    config = configured(folder, kind, arena["dev_score"], arena["x_dev"])
    made, training = CLASSES[kind]
    started = time.process_time()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            router = made(config)
            trainer = training(router, device="cpu")
            trainer.train()
    except ValueError as error:                                 # such as a support vector machine on one class
        return {**told, "error": f"LLMRouter: {error}"[:300]}
    fitted = time.process_time()
    told["choice"] = chosen(kind, router, trainer, arena["x_test"])
    return {**told, "fit": round(fitted - started, 3), "decide": (time.process_time() - fitted) / len(arena["x_test"])}


def main(folder: str, *arguments: str) -> None:
    """Folder for scratch files, names of routers, `--`, paths of splits."""
    torch.set_num_threads(1)
    cut = arguments.index("--")
    for place, path in enumerate(arguments[cut + 1:]):
        for kind in arguments[:cut]:
            print(json.dumps({"place": place, **play(Path(folder), kind, path)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
