"""Runs in the peers' environment: times LLMRouter's kNN and RouteLLM's matrix factorisation; prints JSON lines."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

LONGFORMER, OPENAI = 768, 1536
"""Widths of the vectors of LLMRouter's and RouteLLM's embedders."""
EPOCHS = 2
"""Epochs of RouteLLM's training that are timed; its script trains 100."""


def per_call(call: Callable[[int], Any], times: int) -> float:
    """CPU milliseconds per call, warm."""
    call(0)
    started = time.process_time()
    for i in range(times):
        call(i)
    return 1000 * (time.process_time() - started) / times


def llmrouter_knn(folder: Path, questions: int, members: int) -> list[dict[str, Any]]:
    """`KNNRouter` as its trainer leaves it, behind the embedding: the classifier alone, and its `route_single`, which reads
    its pickle for every question."""
    import llmrouter.models.knnrouter.router as module
    from peers_side import CLASSES, configured

    rng = np.random.default_rng(0)
    score, x = (rng.random((questions, members)) < 0.5).astype(float), rng.standard_normal((questions, LONGFORMER)).astype(np.float32)
    with contextlib.redirect_stdout(io.StringIO()):
        path = configured(folder, "knn", score, x)
        started = time.process_time()
        router = CLASSES["knn"][0](path)
        CLASSES["knn"][1](router, device="cpu").train()
        fit = time.process_time() - started
    router.cfg["model_path"]["load_model_path"] = router.cfg["model_path"]["save_model_path"]
    module.get_longformer_embedding = lambda text: torch.from_numpy(x[int(text)])
    alone = per_call(lambda i: router.knn_model.predict(x[i][None]), 200)
    whole = per_call(lambda i: router.route_single({"query": str(i)}), 20)
    return [{"router": "LLMRouter 0.4.0 kNN, its classifier", "fit_cpu_s": round(fit, 2), "decide_ms": round(alone, 4)},
            {"router": "LLMRouter 0.4.0 kNN, route_single", "fit_cpu_s": round(fit, 2), "decide_ms": round(whole, 4)}]


def routellm_mf(folder: Path, questions: int) -> list[dict[str, Any]]:
    """`MFModel.pred_win_rate` with an embedding that is there at once; its training on as many battles, scaled to 100 epochs."""
    import routellm.routers.matrix_factorization.model as module
    from routellm.routers.matrix_factorization.train_matrix_factorization import MFModel_Train, PairwiseDataset, train_loops

    rng = np.random.default_rng(0)
    x = rng.standard_normal((questions, OPENAI)).astype(np.float32)
    np.save(folder / "x.npy", x)
    vector = x[0].tolist()
    answer = SimpleNamespace(data=[SimpleNamespace(embedding=vector)])
    module.OPENAI_CLIENT = SimpleNamespace(embeddings=SimpleNamespace(create=lambda **_: answer))
    ready = module.MFModel(128, len(module.MODEL_IDS), OPENAI, 1, True).eval()
    decide = per_call(lambda i: ready.pred_win_rate(24, 36, "question"), 1000)
    battles = [{"model_a": "gpt-4-1106-preview", "model_b": "mixtral-8x7b-instruct-v0.1", "idx": i,
                "winner": "model_a" if rng.random() < 0.6 else "model_b"} for i in range(questions)]
    net = MFModel_Train(128, len(module.MODEL_IDS), questions, OPENAI, 1, True, str(folder / "x.npy"))
    data = PairwiseDataset(battles)
    started = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        train_loops(net, data.get_dataloaders(64), data.get_dataloaders(1024), 3e-4, 1e-5, 0.1, EPOCHS, device="cpu",
                    evaluator=lambda *_: (0.0, 0.0))
    fit = (time.process_time() - started) * 100 / EPOCHS
    return [{"router": "RouteLLM 0.2.0 matrix factorisation, two models", "fit_cpu_s": round(fit, 1), "decide_ms": round(decide, 4)}]


def main(folder: str, questions: str, members: str) -> None:
    """A scratch folder and the sizes."""
    torch.set_num_threads(1)
    for row in (*llmrouter_knn(Path(folder), int(questions), int(members)), *routellm_mf(Path(folder), int(questions))):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
