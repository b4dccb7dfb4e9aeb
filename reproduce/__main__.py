"""``python -m reproduce list | run EXPERIMENT --profile quick|paper --seed N | ensemble EXPERIMENT | try | table``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, Literal

from jsonargparse import auto_cli

from reproduce.experiment import NAMES, PROFILES, load

SWITCHES = ("--trial", "--again", "--check")
"""Flags that may be given without a value."""


def list_experiments() -> None:
    """Show every experiment with the cost of one seed in each profile."""
    from rich.console import Console
    from rich.table import Table

    from reproduce.run import RESULTS

    table = Table("experiment", "paper", "profile", "minutes", "memory", "needs", "seeds measured", box=None)
    for name in NAMES:
        experiment = load(name)
        for profile in PROFILES:
            cost = experiment.profiles[profile]
            done = sorted(int(path.stem.rsplit("-", 1)[1]) for path in RESULTS.glob(f"{name}-{profile}-*.json"))
            table.add_row(
                name if profile == PROFILES[0] else "",
                experiment.source if profile == PROFILES[0] else "",
                profile,
                f"{cost.minutes:,.0f}",
                f"{cost.memory_gib:g} GiB",
                cost.needs or "-",
                ", ".join(map(str, done)) or "-",
            )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    print("minutes and memory: of one seed on two CPU cores, or on a GPU where one is needed")


def run(
    experiment: str,
    *,
    profile: Literal["quick", "paper"] = "quick",
    seed: int = 0,
    trial: bool = False,
    again: bool = False,
) -> None:
    """Measure an experiment; a run that was stopped is resumed.

    Parameters
    ----------
    experiment
        Name of the experiment; ``list`` shows the names.
    profile
        "quick" takes about 20 minutes on two CPU cores, "paper" has the published settings.
    seed
        Seed of everything random but the data and their splits.
    trial
        Two updates of every training on a few samples, to check that everything runs; no result is kept.
    again
        Delete the previous result and run folder first.
    """
    from reproduce.run import RUNS, is_complete, measure, result_path

    chosen = load(experiment)
    result = result_path(experiment, profile, seed)
    if again and not trial:
        result.unlink(missing_ok=True)
        shutil.rmtree(RUNS / f"{experiment}-{profile}-{seed}", ignore_errors=True)
    if is_complete(result) and not trial:
        print(f"measured before: {result}; --again measures it anew")
        return
    print(measure(chosen, profile, seed, is_trial=trial))


def ensemble(
    experiment: str, *, profile: Literal["quick", "paper"] = "quick", seeds: tuple[int, ...] = (0, 1, 2)
) -> None:
    """Evaluate the ensemble of the models of several seeds, which were measured before.

    Parameters
    ----------
    experiment
        Name of the experiment; ``list`` shows the names.
    profile
        Profile of the runs.
    seeds
        Seeds of the runs.
    """
    from reproduce.ensemble import evaluate_ensemble

    print(evaluate_ensemble(load(experiment), profile, seeds))


def try_settings(
    experiment: str, changes: list[str], *, profile: Literal["quick", "paper"] = "quick", seed: int = 0
) -> None:
    """Train with some settings changed, evaluate on validation data, and append to model_selection.json.

    Parameters
    ----------
    experiment
        Name of the experiment; ``list`` shows the names.
    changes
        List such as '["model.width=36", "training.learning_rate=0.003"]'; [] for none.
    profile
        Profile whose settings are changed.
    seed
        Seed of the training.
    """
    from reproduce.model_selection import evaluate_settings, parse_changes

    entry = evaluate_settings(load(experiment), parse_changes(changes), profile, seed)
    print({name: entry[name] for name in ("changes", "seed", "validation", "n_parameters", "seconds")}, flush=True)


def table(*, check: bool = False) -> int:
    """Write README.md, results.json and the figures of this folder from the result files.

    Parameters
    ----------
    check
        Write nothing; report files that differ from the results and exit with 1 if there are any.
    """
    from reproduce.table import write

    return write(is_check=check)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error that the user can fix is one line and exit code 2."""
    try:
        commands: dict[str, Any] = {
            "list": list_experiments,
            "run": run,
            "ensemble": ensemble,
            "try": try_settings,
            "table": table,
        }
        given = sys.argv[1:] if arguments is None else arguments
        done = auto_cli(
            commands, prog="python -m reproduce", args=[f"{word}=true" if word in SWITCHES else word for word in given]
        )
        return done if isinstance(done, int) else 0
    except KeyboardInterrupt as interruption:
        print(f"reproduce: interrupted: {interruption}; the same command resumes", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"reproduce: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    # the number of kernels that oneDNN keeps, as in the command romae; the default holds hundreds of megabytes
    for variable in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(variable, "256")
    sys.exit(main())
