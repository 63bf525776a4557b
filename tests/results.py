"""Small contents of what the measuring stages write, in the structure that they have, for tests of what reads them."""

from typing import Any

MODELS = ("pretrain", "finetune", "instruct", "ppo")


def figure(value: float | None, low: float | None = None, high: float | None = None, n: int = 120) -> dict[str, Any]:
    method = "single" if low is None else "bootstrap"
    return {"value": value, "low": low, "high": high, "n": n, "over": "prompts", "method": method}


def claim(name: str, figure_name: str, side: str, bound: float, holds: bool | None) -> dict[str, Any]:
    return {
        "name": name,
        "claim": f"The claim {name}.",
        "figure": figure_name,
        "side": side,
        "bound": bound,
        "smallest_n": 100,
        "holds": holds,
    }


def evaluation(answer: str = "It adds an edge.") -> dict[str, Any]:
    figures = {
        f"{measure}.{model}": figure(start + step * place, start + step * place - 0.02, start + step * place + 0.02)
        for measure, start, step in (
            ("bits_per_byte.test", 1.6, -0.02),
            ("hidden_score", 0.3, 0.12),
            ("stop_share", 0.5, 0.15),
            ("decline_share.held_out", 0.1, 0.2),
        )
        for place, model in enumerate(MODELS)
    }
    figures |= {
        "bits_per_byte_difference.novel_test.pretrain_minus_kneser_ney_3": figure(-0.31, -0.34, -0.27, 400),
        "win_rate.instruct_over_pretrain": figure(0.48, 0.44, 0.53, 400),
        "admit_difference.instruct": figure(None, n=0),
        "reward_accuracy.model": figure(0.71, 0.67, 0.75, 200),
        "reward_accuracy.longer": figure(0.58, 0.54, 0.62, 200),
    }
    return {
        "schema_version": 1,
        "models": list(MODELS),
        "figures": figures,
        "claims": [
            claim(
                "base",
                "bits_per_byte_difference.novel_test.pretrain_minus_kneser_ney_3",
                "high_below",
                0.0,
                True,
            ),
            claim("stops", "stop_share.instruct", "value_at_least", 0.95, False),
            claim("wins", "win_rate.instruct_over_pretrain", "low_above", 0.5, False),
            claim("admits", "admit_difference.instruct", "low_above", 0.0, None),
        ],
        "setting": {"seed": 1, "resamples": 2000, "confidence": 0.95},
        "tables": {"reward_reliability": [{"confidence": 0.6, "outcome": 0.55, "n": 40}]},
        "samples": [
            {
                "prompt_id": f"p{place}",
                "kind": kind,
                "category": kind,
                "prompt": f"What does add_edge do, asked for the {place}. time?",
                "expects": expects,
                "reference": "Adds an edge between two nodes.",
                "answers": {
                    model: {"text": answer, "score": 0.31, "finish_reason": "length" if model == "pretrain" else "stop"}
                    for model in MODELS
                },
            }
            for place, (kind, expects) in enumerate(
                [("explain", "answer"), ("explain", "answer"), ("decline", "decline")], start=1
            )
        ],
    }


def probe(answer: str = "It draws a graph.") -> dict[str, Any]:
    return {
        "schema_version": 1,
        "seed": 1,
        "resamples": 2000,
        "confidence": 0.95,
        "findings": [
            {
                "topic": "hallucination",
                "name": "answers_invented_names",
                "question": "How often does it answer as if an invented name existed?",
                "measure": "share of answers to questions about invented names that do not admit it",
                "ideal": "0",
                "figures": {"instruct": figure(0.4, 0.3, 0.5), "ppo": figure(0.3, 0.2, 0.4), "ppo, kin": figure(None)},
                "reading": "instruct: 0.4 (0.3 to 0.5, 120 prompts); ppo: 0.3 (0.2 to 0.4, 120 prompts)",
                "caveat": "Names are invented by rules.",
                "examples": [{"model": "ppo", "prompt": "What is foo_bar?", "answer": answer, "note": "invented"}],
            }
        ],
        "tables": {"choice_reliability": {}},
    }


def agreement(simulated_share: float = 1.0) -> dict[str, Any]:
    ratio = {"value": 0.72, "low": 0.7, "high": 0.74, "n": 900.0, "prompts": 150}
    return {
        "judgements": 450,
        "prompts": 150,
        "judges": 3,
        "simulated_share": simulated_share,
        "current_sample_share": 1.0,
        "guideline_hashes": ["0" * 64],
        "pairwise_agreement": ratio,
        "ceiling": 0.83,
        "alpha": {"helpfulness": 0.5, "accuracy": 0.4, "tone": None, "safety": 0.6},
        "kendall_tau_b": 0.5,
        "kendall_w": 0.6,
        "first_shown_wins": ratio,
        "longer_wins": ratio,
        "ratings_against_ranks": ratio,
        "annotators": [],
    }


def gate(success: bool = True) -> dict[str, Any]:
    result = {
        "rule": "enough documents",
        "column": None,
        "severity": "warning",
        "success": success,
        "value": 9,
        "limit": {"min_value": 10},
        "unexpected_fraction": None,
        "examples": [],
    }
    return {"failed": 0, "warnings": int(not success), "rules": [result]}


def collected() -> dict[str, Any]:
    return {
        "schema_version": 1,
        "sources": [
            {
                "name": "networkx",
                "version": "3.6.1",
                "licence": "BSD-3-Clause",
                "hash": "0" * 64,
                "files_read": 3,
                "files_failed": 0,
                "files_ignored": 0,
                "documents": 4,
                "characters": 400,
                "kinds": {"reference": 4},
            },
            {
                "name": "notes",
                "version": None,
                "licence": "CC0-1.0",
                "hash": "1" * 64,
                "files_read": 1,
                "files_failed": 0,
                "files_ignored": 0,
                "documents": 1,
                "characters": 100,
                "kinds": {"prose": 1},
            },
        ],
        "skipped": [],
        "gate": gate(),
    }


def encoded() -> dict[str, Any]:
    folder = {
        "rows": 2,
        "documents": 2,
        "targets": 100,
        "bytes": 320,
        "padding_fraction": 0.004,
        "documents_by_kind": {"reference": 2},
        "targets_by_kind": {"reference": 100},
    }
    empty = {**folder, "rows": 0, "documents": 0, "targets": 0, "bytes": 0, "padding_fraction": 0.0}
    return {
        "tokenizer": "2" * 64,
        "context_length": 48,
        "folders": {"train": folder, "validation": folder, "domain/train": folder, "after_cutoff": empty},
        "passes": {"reference": 1.0},
        "canaries": {},
        "gate": gate(success=False),
    }
