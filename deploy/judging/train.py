"""Training: the same examples give the same weights, to the byte."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from deploy.judging.examples import Example
from pipelines.judges import features
from pipelines.judges.linear import CATEGORIES, Model
from schemas.verdicts import Category

Floats = npt.NDArray[np.float64]

_C, _ITERATIONS, _TOLERANCE = 20.0, 60, 1e-3
_LEAST_SEEN = 2
"""Columns that fewer messages have are not learnt: nothing that was seen once says what comes next."""

_RECALL = 0.95
"""Share of the work that must not be taken for noise, in places that were left out of the training."""

_DOUBTED = 0.25
"""Share of verdicts that ask for a second look."""

_GROUPS = (
    ("software", "issues", "frminer"),
    ("support", "ops", "banking77"),
    ("office", "clinic"),
    ("shop", "school"),
    ("home", "trade"),
)
"""Places that are left out together, to learn how sure a verdict is about a place that was never seen."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_NOISE = CATEGORIES.index(Category.NOISE)


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and the scores that models without its place gave each example."""

    model: Model
    examples: Sequence[Example]
    unseen: Floats


def train(examples: Sequence[Example], *, name: str) -> Trained:
    """Learn from examples; on one thread, as sums in another order are other sums."""
    with threadpool_limits(1):
        matrix, wanted = matrix_of([each.text for each in examples]), _wanted(examples)
        weights = np.array([each.weight for each in examples])
        unseen = np.zeros((len(examples), len(CATEGORIES)))
        for groups in _GROUPS:
            left_out = np.array([each.group in groups for each in examples])
            if left_out.any() and not left_out.all():
                held = _packed(*_fit(matrix[~left_out], wanted[~left_out], weights[~left_out]), name)
                unseen[left_out] = scores(held, [each.text for each in np.array(examples, dtype=object)[left_out]])
        model = _calibrated(_packed(*_fit(matrix, wanted, weights), name), unseen, wanted, weights == 1.0)
    return Trained(model, examples, unseen)


def scores(model: Model, texts: Sequence[str]) -> Floats:
    """Score texts as the judge does."""
    return model.scores(features.featured(texts), len(texts))


def matrix_of(texts: Sequence[str]) -> csr_matrix:
    """Write the features of texts as a sparse matrix of shape (texts, columns)."""
    found = features.featured(texts)
    matrix = csr_matrix((found.values, (found.rows, found.columns)), shape=(len(texts), features.COLUMNS))
    matrix.sum_duplicates()
    return matrix


def written(model: Model) -> bytes:
    """Write a model as an ``.npz`` that is the same whenever and wherever it is written."""
    held: dict[str, Any] = {
        "name": np.array(model.name),
        "weights": model.weights,
        "scale": model.scale,
        "bias": model.bias,
        "temperature": np.float64(model.temperature),
        "noise_from": np.float64(model.noise_from),
        "doubt": np.float64(model.doubt),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key, value in held.items():
            body = io.BytesIO()
            np.lib.format.write_array(body, np.asarray(value), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", _EPOCH), body.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def digest(path: Path) -> str:
    """Name a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _wanted(examples: Sequence[Example]) -> npt.NDArray[np.int64]:
    return np.array([CATEGORIES.index(each.category) for each in examples])


def _fit(matrix: csr_matrix, wanted: npt.NDArray[np.int64], weights: Floats) -> tuple[Floats, Floats]:
    seen = np.bincount(matrix.indices, minlength=features.COLUMNS)
    kept = np.flatnonzero(seen >= _LEAST_SEEN)
    learnt = LogisticRegression(C=_C, max_iter=_ITERATIONS, tol=_TOLERANCE)
    learnt.fit(matrix[:, kept], wanted, sample_weight=weights)
    full = np.zeros((features.COLUMNS, len(CATEGORIES)))
    full[kept] = learnt.coef_.T
    return full, learnt.intercept_


def _packed(weights: Floats, bias: Floats, name: str) -> Model:
    """Round the weights to 8 bits, a scale for each category."""
    scale = np.abs(weights).max(axis=0) / 127
    packed = np.round(weights / scale).astype(np.int8)
    return Model(name, packed, scale.astype(np.float32), bias.astype(np.float32), 1.0, 0.5, 0.5)


def _calibrated(model: Model, unseen: Floats, wanted: npt.NDArray[np.int64], counts: npt.NDArray[np.bool_]) -> Model:
    """Choose temperature and thresholds by the scores of places that were left out."""
    unseen, wanted = unseen[counts], wanted[counts]

    def loss(temperature: float) -> float:
        shares = _with(model, temperature=temperature).confidences(unseen)
        return float(-np.log(np.maximum(shares[np.arange(len(wanted)), wanted], 1e-12)).mean())

    best = minimize_scalar(loss, bounds=(0.3, 5.0), method="bounded", options={"xatol": 1e-3})
    model = _with(model, temperature=round(float(best.x), 2))
    shares = model.confidences(unseen)
    noise_from = round(float(np.quantile(shares[wanted != _NOISE, _NOISE], _RECALL)), 2)
    return _with(model, noise_from=noise_from, doubt=round(float(np.quantile(shares.max(axis=1), _DOUBTED)), 2))


def _with(model: Model, **changed: float) -> Model:
    given = {name: getattr(model, name) for name in Model.__slots__}
    return Model(**(given | changed))
