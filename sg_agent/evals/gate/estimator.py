"""A head from features and labels: logistic regression by scikit-learn, its strength and its use of words chosen by
cross-validation, then calibrated on the questions that it had not seen.

The quality is of a second cross-validation around all of that: no question judges a choice that it took part in.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sg_agent.errors import MissingExtra
from sg_agent.gate.head import FARTHEST, WORD, Bin, Head, Quality

try:
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss, roc_auc_score
    from sklearn.model_selection import StratifiedKFold
except ModuleNotFoundError as error:
    raise MissingExtra("fitting a gate", "gate") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Labels = NDArray[np.bool_]

FOLDS = 5
BINS = 10
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)  # scikit-learn's C: the smaller, the closer to always saying the mean
EPSILON = 1e-6
TOLERANCE = 1e-3  # of the fits that only choose

Values = Mapping[str, float]


class Table(NamedTuple):
    """Features by question. `words` are the columns from there on, which a head may do without."""

    names: list[str]
    matrix: "Matrix"
    words: int


def table(rows: Sequence[Values]) -> Table:
    """One column per feature that varies; hashed words come last."""
    names = sorted({name for row in rows for name in row}, key=lambda name: (name.startswith(WORD), name))
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=float)
    varies = matrix.std(axis=0) > EPSILON
    kept = [name for name, keep in zip(names, varies, strict=True) if keep]
    return Table(kept, matrix[:, varies], sum(not name.startswith(WORD) for name in kept))


def fit_head(rows: Sequence[Values], right: Sequence[bool], *, seed: int = 0, judge: bool = True) -> Head:
    """The head of one route; `judge` adds its quality, which takes FOLDS times as long.

    Needs at least FOLDS right and FOLDS wrong answers: `sg_agent.evals.gate.fit` asks for more.
    """
    data, labels = table(rows), np.array(right, dtype=bool)
    head = _fit(data, labels, seed)
    return head.model_copy(update={"quality": quality(_judged(data, labels, seed), labels)}) if judge else head


def _fit(data: Table, labels: "Labels", seed: int) -> Head:
    """Choose by log loss on unseen questions, fit on all, calibrate on the unseen ones' log-odds."""
    widths = sorted({data.words, len(data.names)})
    unseen = {(width, c): odds for width in widths for c, odds in _unseen(data.matrix[:, :width], labels, seed).items()}
    width, c = min(unseen, key=lambda choice: log_loss(labels, _sigmoid(unseen[choice])))
    slope, offset = _platt(unseen[width, c], labels)
    mean, scale = _standard(data.matrix[:, :width])
    model = LogisticRegression(C=c, max_iter=1000).fit(_scaled(data.matrix[:, :width], mean, scale), labels)
    return Head(
        features=data.names[:width],
        mean=mean.tolist(),
        scale=scale.tolist(),
        weight=model.coef_[0].tolist(),
        bias=float(model.intercept_[0]),
        slope=slope,
        offset=offset,
    )


def _unseen(matrix: "Matrix", labels: "Labels", seed: int) -> "dict[float, Matrix]":
    """Log-odds of every question by a model that was fitted without it, for each of STRENGTHS."""
    odds = {c: np.zeros(len(labels)) for c in STRENGTHS}
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(matrix, labels):
        mean, scale = _standard(matrix[train])
        seen, other = _scaled(matrix[train], mean, scale), _scaled(matrix[test], mean, scale)
        model = LogisticRegression(max_iter=1000, tol=TOLERANCE, warm_start=True)
        for c in STRENGTHS:  # from the last solution to the next
            odds[c][test] = model.set_params(C=c).fit(seen, labels[train]).decision_function(other)
    return odds


def _judged(data: Table, labels: "Labels", seed: int) -> "Matrix":
    """P(right) of every question by a head that was chosen, fitted and calibrated without it."""
    found = np.zeros(len(labels))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed + 1).split(data.matrix, labels):
        head = _fit(Table(data.names, data.matrix[train], data.words), labels[train], seed)
        width = len(head.features)
        scaled = _scaled(data.matrix[test, :width], np.array(head.mean), np.array(head.scale))
        found[test] = _sigmoid(head.slope * (scaled @ np.array(head.weight) + head.bias) + head.offset)
    return found


def quality(predicted: "Matrix", labels: "Labels") -> Quality:
    """How well predictions rank and how far they can be believed, in bins of equally many questions."""
    base = np.full(len(labels), labels.mean())
    parts = [part for part in np.array_split(np.argsort(predicted, kind="stable"), BINS) if len(part)]
    bins = [
        Bin(n=len(part), predicted=float(predicted[part].mean()), right=float(labels[part].mean())) for part in parts
    ]
    return Quality(
        n=len(labels),
        right=int(labels.sum()),
        auc=float(roc_auc_score(labels, predicted)),
        ece=sum(one.n * abs(one.predicted - one.right) for one in bins) / len(labels),
        log_loss=float(log_loss(labels, predicted)),
        base_log_loss=float(log_loss(labels, base)),
        bins=bins,
    )


def _platt(odds: "Matrix", labels: "Labels") -> tuple[float, float]:
    """Slope and offset that make unseen log-odds calibrated; a slope that is not positive says nothing was learned."""
    model = LogisticRegression(C=1e6, max_iter=1000).fit(odds[:, None], labels)
    slope = float(model.coef_[0][0])
    if slope > 0:
        return slope, float(model.intercept_[0])
    share = labels.mean()
    return 0.0, float(np.log(share / (1 - share)))


def _standard(matrix: "Matrix") -> "tuple[Matrix, Matrix]":
    scale = matrix.std(axis=0)
    return matrix.mean(axis=0), np.where(scale > EPSILON, scale, 1.0)


def _scaled(matrix: "Matrix", mean: "Matrix", scale: "Matrix") -> "Matrix":
    scaled: Matrix = np.clip((matrix - mean) / scale, -FARTHEST, FARTHEST)
    return scaled


def _sigmoid(odds: "Matrix") -> "Matrix":
    found: Matrix = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    return found
