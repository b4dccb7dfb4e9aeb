"""Small files of every kind, runs trained on them, and a function that calls the command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from rotary_mae.cli.__main__ import main

N_OBJECTS, N_STAYS = 24, 24

MODEL = [
    "--model.width=24",
    "--model.heads=2",
    "--model.depth=1",
    "--model.decoder.width=24",
    "--model.decoder.heads=2",
    "--model.decoder.depth=1",
]
SMALL = [*MODEL, "--training.max_steps=4", "--epochs=1"]
LONG = ["--id=object_id", "--time=mjd", "--channel=band", "--value=flux", "--error=flux_err", "--static=z"]
WIDE = ["--id=stay", "--time=when", "--value=hr,sbp"]


@dataclass(frozen=True)
class Result:
    """Exit code and output of a call of the command."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The text of the error, which must be a single line."""
        assert self.code == 2, (self.code, self.err)
        lines = [line for line in self.err.splitlines() if line.startswith("romae: error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("romae: error: ")


Romae = Callable[..., Result]


@pytest.fixture
def romae(capfd: pytest.CaptureFixture[str]) -> Romae:
    """Call the command in this process: ``romae("info", path)``."""

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call


def long_frame() -> pd.DataFrame:
    """Return light curves with a row per measurement, a redshift and a class."""
    tokens = rm.simulate_light_curves(N_OBJECTS)
    frame = tokens.to_frame("pandas")
    names = {"id": "object_id", "time": "mjd", "channel": "band", "value": "flux", "error": "flux_err"}
    frame = frame.rename(columns=names | {"target": "class"})
    return frame.assign(z=frame["object_id"].str[-3:].astype(float) / 100)


def wide_frame() -> pd.DataFrame:
    """Return vital signs with a row per time, missing cells, time stamps and two numbers to predict."""
    rng = np.random.default_rng(0)
    rows = []
    for stay in range(N_STAYS):
        hours = np.sort(rng.choice(480, rng.integers(4, 12), replace=False)) / 10
        for hour in hours:
            when = pd.Timestamp("2024-03-01") + pd.Timedelta(minutes=6 * round(10 * hour))
            pressure = 120 + 10 * np.cos(hour / 5 + stay) if rng.random() < 0.8 else np.nan
            rows.append((stay, when, 80 + 5 * np.sin(hour / 5 + stay), pressure, 2.0 + stay % 5, stay / 10))
    return pd.DataFrame(rows, columns=["stay", "when", "hr", "sbp", "days", "score"])


@dataclass(frozen=True)
class Files:
    """Paths of the files in a folder: ``files.long_csv`` is ``folder / "long.csv"``."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        stem, _, suffix = name.rpartition("_")
        return self.folder / f"{stem}.{suffix}"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Write long.csv, wide.parquet, tokens.parquet and others, and a cache in the folder ``cache``."""
    folder = tmp_path_factory.mktemp("data")
    for name, frame in (("long", long_frame()), ("wide", wide_frame())):
        frame.to_csv(folder / f"{name}.csv", index=False)
        frame.to_parquet(folder / f"{name}.parquet")
    objects = long_frame().groupby("object_id", as_index=False).agg(kind=("class", "first"), brightness=("flux", "max"))
    objects.to_csv(folder / "labels.csv", index=False)
    tokens = rm.simulate_light_curves(N_OBJECTS)
    tokens.to_parquet(folder / "tokens.parquet")
    rm.write_cache(tokens, folder / "cache")
    nested = long_frame().groupby("object_id", as_index=False).agg({"mjd": list, "flux": list, "band": list})
    nested.to_parquet(folder / "nested.parquet")
    return Files(folder)


@pytest.fixture(scope="session")
def runs(files: Files, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Train a run of every kind: pretrain, classify and interpolate on long.csv, regress and gaps on wide.csv."""
    folder = tmp_path_factory.mktemp("runs")
    long, wide = [files.long_csv, *LONG], [files.wide_csv, *WIDE]
    commands: dict[str, list[object]] = {
        "pretrain": ["pretrain", *long, *SMALL],
        "classify": ["classify", *long, "--label", "class", *SMALL],
        "regress": ["regress", *wide, "--target", "days", *SMALL],
        "interpolate": ["fit-interpolator", *long, *SMALL],
        "gaps": ["fit-interpolator", *wide, *SMALL, "--hiding", "times"],
    }
    for name, arguments in commands.items():
        assert main([str(a) for a in (*arguments, "--out", folder / name, "--no-verbose")]) == 0
    return {name: folder / name for name in commands}
