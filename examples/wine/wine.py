"""The steps of the wine pipeline: plain functions of parameters and of files in the folder `data`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from sklearn.datasets import load_wine
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from magnus_render import track_this

DATA = Path("data")


class Setting(BaseModel):
    """One cell of the grid; a task's argument annotated with it is validated before the task runs."""

    columns: int
    """How many of the most telling columns to keep."""
    c: float
    """Inverse strength of regularisation."""


def prepare(seed: int = 7) -> dict[str, Any]:
    """Split the bundled data into two files and compute the grid from the shape of the data."""
    wine = load_wine()
    parts = train_test_split(wine.data, wine.target, test_size=0.3, random_state=seed, stratify=wine.target)
    train_x, test_x, train_y, test_y = parts
    DATA.mkdir(exist_ok=True)
    _write(DATA / "train.csv", train_x, train_y)
    _write(DATA / "test.csv", test_x, test_y)

    width = train_x.shape[1]
    columns = sorted({max(1, width // 4), max(1, width // 2), width})
    settings = [Setting(columns=n, c=c).model_dump() for n in columns for c in (0.01, 1.0)]
    return {"rows": len(train_y), "settings": settings}


def train(setting: Setting, folds: int = 5) -> dict[str, float]:
    """Return the cross-validated accuracy of one setting."""
    x, y = _read(DATA / "train.csv")
    scores = cross_val_score(_model(setting), x, y, cv=folds)
    accuracy = round(float(scores.mean()), 4)
    track_this(accuracy=accuracy, spread=round(float(scores.std()), 4))
    print(f"{setting.columns} columns, C={setting.c}: {accuracy:.4f}")
    return {"accuracy": accuracy}


def pick(settings: list[dict[str, Any]], accuracy: list[float]) -> dict[str, Any]:
    """Choose the most accurate setting; of equals the first, which is the simplest."""
    best = max(range(len(settings)), key=lambda i: (accuracy[i], -i))
    return {"best": settings[best]}


def report(best: Setting, accuracy: list[float], settings: list[Setting]) -> dict[str, float]:
    """Fit the best setting on all training data, test it on what no step has seen, write model and report."""
    model = _model(best).fit(*_read(DATA / "train.csv"))
    x, y = _read(DATA / "test.csv")
    test_accuracy = round(float(model.score(x, y)), 4)

    regression = model[-1]
    coefficients = {
        "columns": [int(i) for i in np.flatnonzero(model[1].get_support())],
        "coefficients": np.round(regression.coef_, 6).tolist(),
        "intercept": np.round(regression.intercept_, 6).tolist(),
    }
    (DATA / "model.json").write_text(json.dumps(coefficients) + "\n")
    rows = [f"| {s.columns} | {s.c:g} | {a:.4f} |" for s, a in zip(settings, accuracy, strict=True)]
    lines = [
        "# Wine",
        "",
        "| columns | C | accuracy |",
        "|---|---|---|",
        *rows,
        "",
        f"Best: {best.columns} columns, C={best.c:g}. Accuracy on the test data: {test_accuracy:.4f}.",
    ]
    (DATA / "report.md").write_text("\n".join(lines) + "\n")
    return {"test_accuracy": test_accuracy}


def _model(setting: Setting) -> Pipeline:
    regression = LogisticRegression(C=setting.c, max_iter=1000)
    return make_pipeline(StandardScaler(), SelectKBest(k=setting.columns), regression)


def _write(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([*map(float, row), int(label)] for row, label in zip(x, y, strict=True))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = np.loadtxt(path, delimiter=",")
    return table[:, :-1], table[:, -1].astype(int)
