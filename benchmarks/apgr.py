"""Routing between a weak and a strong model on real replies: APGR of the learned gate, by 10-fold cross-validation.

python benchmarks/apgr.py PATH [--seeds 3] [--json]

PATH is lm-sys/RouteLLM's GSM8K data as benchmarks/real_answers.py reads it. Every fold's heads choose their strength
and whether to use words within the other nine. `random` sends questions in 200 random orders, `oracle` the repairs
first and the breaks last. Twice: by the labels of the file, and by our own scorer, which finds 112 more replies of the
strong model right (docs/real_answers.md). What a gate gains by the labels is in part knowing which they mislabel.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from sg_agent.answers import parse_answer
from sg_agent.evals.gate.estimator import fit_head
from sg_agent.evals.gate.frontier import apgr, recoveries
from sg_agent.evals.scoring import score
from sg_agent.gate.head import Head
from sg_agent.gate.question import question_features, word_features
from sg_agent.gate.reply import CheapAnswer, reply_features
from sg_agent.rows import Row

FOLDS = 10
# Dollars per 1,000 questions, by list prices of early 2024 and 4 characters a token, of what the replies of the file
# hold: Mixtral-8x7B at $0.24 / $0.24 and GPT-4-1106 at $10 / $30 per million input / output tokens, with a prompt of
# 100 tokens around the question.
PRICES = {"weak": (0.24, 0.24), "strong": (10.0, 30.0)}
PROMPT_TOKENS, CHARACTERS_A_TOKEN = 100, 4


class Question(NamedTuple):
    """Features of a question, of it with the weak reply, and both models' marks by label and by our scorer."""

    row: Row
    reply: CheapAnswer
    features: dict[str, float]
    with_reply: dict[str, float]
    label: tuple[bool, bool]
    own: tuple[bool, bool]
    usd: tuple[float, float]


def read(path: Path) -> list[Question]:
    """Every row of the file."""
    with path.open(encoding="utf-8") as file:
        return [_read(json.loads(line)) for line in file]


def _read(record: dict[str, Any]) -> Question:
    row = Row(id=record["id"], question=record["question"], answer=record["answer"], task="math")
    texts = [str(record[side]["text"]) for side in ("weak", "strong")]
    answers = [parse_answer(text, "math") for text in texts]
    reply = CheapAnswer(texts[0], answers[0])
    features = {**question_features(row), **word_features(row)}
    weak, strong = (score(answer, row).correct for answer in answers)
    usd = [_usd(row.question, text, side) for text, side in zip(texts, PRICES, strict=True)]
    return Question(
        row,
        reply,
        features,
        {**features, **reply_features(row, reply)},
        (bool(record["weak"]["correct"]), bool(record["strong"]["correct"])),
        (weak, strong),
        (usd[0], usd[1]),
    )


def _usd(question: str, reply: str, side: str) -> float:
    read_price, write_price = PRICES[side]
    read_tokens = PROMPT_TOKENS + len(question) / CHARACTERS_A_TOKEN
    return (read_tokens * read_price + len(reply) / CHARACTERS_A_TOKEN * write_price) / 1e6


def gains(questions: Sequence[Question], marks: Sequence[tuple[bool, bool]], seed: int, *, reply: bool) -> list[float]:
    """P(strong right) - P(weak right) of every question, by heads that have not seen it."""
    order = list(range(len(questions)))
    random.Random(seed).shuffle(order)
    found = [0.0] * len(questions)
    for fold in range(FOLDS):
        test, train = order[fold::FOLDS], [i for k, i in enumerate(order) if k % FOLDS != fold]
        values = [question.with_reply if reply else question.features for question in questions]
        weak = fit_head([values[i] for i in train], [marks[i][0] for i in train], judge=False)
        strong = fit_head([questions[i].features for i in train], [marks[i][1] for i in train], judge=False)
        for i in test:
            found[i] = strong.probability(questions[i].features) - weak.probability(values[i])
    return found


def at_95_percent(
    questions: Sequence[Question], marks: Sequence[tuple[bool, bool]], found: Sequence[float], *, cascade: bool
) -> dict[str, float] | None:
    """The share sent and the cost at which accuracy first is 95% of the strong model's; None if it never is.

    A cascade pays for the weak reply of every question.
    """
    weak, strong = [mark[0] for mark in marks], [mark[1] for mark in marks]
    wanted = 0.95 * sum(strong) / len(strong)
    reached = [one for one in recoveries(found, weak, strong, steps=200) if one[1] >= wanted]
    if not reached:
        return None
    share, accuracy, _ = reached[0]
    ranked = sorted(range(len(found)), key=lambda i: -found[i])
    sent = set(ranked[: round(share * len(found))])
    usd = fmean(
        (question.usd[1] if i in sent else 0.0) + (question.usd[0] if cascade or i not in sent else 0.0)
        for i, question in enumerate(questions)
    )
    return {"share_sent": share, "accuracy": accuracy, "usd_per_1000": 1000 * usd}


def measure(questions: Sequence[Question], marks: Sequence[tuple[bool, bool]], seeds: int) -> dict[str, Any]:
    """APGR of chance, oracle and gate by one set of marks, over several ways to cut the folds."""
    weak, strong = [mark[0] for mark in marks], [mark[1] for mark in marks]
    shuffles = [random.Random(seed) for seed in range(200)]
    result: dict[str, Any] = {
        "weak": fmean(weak),
        "strong": fmean(strong),
        "random": fmean(apgr([dice.random() for _ in marks], weak, strong) for dice in shuffles),
        "length": apgr([float(len(question.row.question)) for question in questions], weak, strong),
        "oracle": apgr([float(b) - float(a) for a, b in marks], weak, strong),
    }
    for name, reply in (("question", False), ("question+reply", True)):
        runs = [gains(questions, marks, seed, reply=reply) for seed in range(seeds)]
        areas = [apgr(run, weak, strong) for run in runs]
        result[name] = {
            "apgr": fmean(areas),
            "sd": pstdev(areas),
            "at_95": at_95_percent(questions, marks, runs[0], cascade=reply),
        }
    return result


def milliseconds(questions: Sequence[Question], head: Head, features: Callable[[Question], dict[str, float]]) -> float:
    """CPU time of one decision: two heads, features included."""
    start = time.process_time()
    for question in questions:
        values = features(question)
        head.probability(values)
        head.probability(values)
    return 1000 * (time.process_time() - start) / len(questions)


def speeds(questions: Sequence[Question]) -> dict[str, float]:
    """Milliseconds of a decision from the question alone, and with the reply."""
    marks = [question.label[0] for question in questions]
    head = fit_head([question.with_reply for question in questions], marks, judge=False)

    def alone(question: Question) -> dict[str, float]:
        return {**question_features(question.row), **word_features(question.row)}

    def both(question: Question) -> dict[str, float]:
        return {**alone(question), **reply_features(question.row, question.reply)}

    return {"question": milliseconds(questions, head, alone), "question+reply": milliseconds(questions, head, both)}


def show(name: str, found: dict[str, Any], strong_usd: float) -> None:
    """One table."""
    print(f"{name}: weak right on {found['weak']:.1%}, strong on {found['strong']:.1%}")
    print(f"  APGR  random {found['random']:.3f}  length {found['length']:.3f}  oracle {found['oracle']:.3f}")
    for view in ("question", "question+reply"):
        one = found[view]
        print(f"  APGR  gate, {view}: {one['apgr']:.3f} (sd {one['sd']:.3f} over the folds' seeds)")
        if at := one["at_95"]:
            print(
                f"        95% of the strong accuracy ({at['accuracy']:.1%}) with {at['share_sent']:.0%} sent: "
                f"${at['usd_per_1000']:.2f} per 1,000 questions, always strong ${strong_usd:.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="APGR of the learned gate on real replies.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    questions = read(options.path)
    strong_usd = 1000 * fmean(question.usd[1] for question in questions)
    result: dict[str, Any] = {"n": len(questions), "strong_usd_per_1000": strong_usd}
    result["labels"] = measure(questions, [question.label for question in questions], options.seeds)
    result["own scorer"] = measure(questions, [question.own for question in questions], options.seeds)
    result["milliseconds"] = speeds(questions)
    if options.json:
        print(json.dumps(result))
        return
    show("by the labels", result["labels"], strong_usd)
    show("by sg_agent's scorer", result["own scorer"], strong_usd)
    print("CPU milliseconds a decision:", ", ".join(f"{k} {v:.2f}" for k, v in result["milliseconds"].items()))


if __name__ == "__main__":
    main()
