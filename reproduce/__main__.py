"""``python -m reproduce list | run EXPERIMENT --profile quick|paper --seed N | ensemble EXPERIMENT | table``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any, Literal

from jsonargparse import auto_cli

from reproduce.experiment import NAMES, PROFILES, load

SWITCHES = ("--trial", "--again", "--check")
"""May be given without a value."""


def list_experiments() -> None:
    """Show every experiment with what one seed of each profile takes."""
    from rich.console import Console
    from rich.table import Table

    from reproduce.run import RESULTS

    table = Table("experiment", "paper", "profile", "minutes", "memory", "needs", "seeds measured", box=None)
    for name in NAMES:
        experiment = load(name)
        for profile in PROFILES:
            way = experiment.profiles[profile]
            done = sorted(int(path.stem.rsplit("-", 1)[1]) for path in RESULTS.glob(f"{name}-{profile}-*.json"))
            table.add_row(
                name if profile == PROFILES[0] else "",
                experiment.source if profile == PROFILES[0] else "",
                profile,
                f"{way.minutes:,.0f}",
                f"{way.memory_gib:g} GiB",
                way.needs or "-",
                ", ".join(map(str, done)) or "-",
            )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    print("minutes and memory: of one seed on two CPU cores, or where it says on a GPU")


def run(
    experiment: str,
    *,
    profile: Literal["quick", "paper"] = "quick",
    seed: int = 0,
    trial: bool = False,
    again: bool = False,
) -> None:
    """Measure an experiment; one that was stopped goes on where it was.

    Args:
        experiment: its name; ``list`` shows them.
        profile: quick is the best that 20 minutes on two cores give, paper has the published settings.
        seed: of everything random but the data and their splits.
        trial: two updates of every training on a few samples, to see that all works; no result is kept.
        again: throw away what was measured or open_run before.
    """
    from reproduce.run import RUNS, is_complete, measure, result_path

    chosen = load(experiment)
    kept = result_path(experiment, profile, seed)
    if again and not trial:
        kept.unlink(missing_ok=True)
        shutil.rmtree(RUNS / f"{experiment}-{profile}-{seed}", ignore_errors=True)
    if is_complete(kept) and not trial:
        print(f"measured before: {kept}; --again measures it anew")
        return
    print(measure(chosen, profile, seed, is_trial=trial))


def ensemble(
    experiment: str, *, profile: Literal["quick", "paper"] = "quick", seeds: tuple[int, ...] = (0, 1, 2)
) -> None:
    """Ask the models of several seeds, measured before, together.

    Args:
        experiment: its name; ``list`` shows them.
        profile: of the runs.
        seeds: of the runs.
    """
    from reproduce.ensemble import evaluate_ensemble

    print(evaluate_ensemble(load(experiment), profile, seeds))


def try_settings(
    experiment: str, changes: list[str], *, profile: Literal["quick", "paper"] = "quick", seed: int = 0
) -> None:
    """Train with some settings changed and score on validation data; the experiment's model_selection.json keeps it.

    Args:
        experiment: its name; ``list`` shows them.
        changes: such as '["model.width=36", "training.learning_rate=0.003"]'; [] for none.
        profile: whose settings are changed.
        seed: of the training.
    """
    from reproduce.model_selection import attempt, parse_changes

    tried = attempt(load(experiment), parse_changes(changes), profile, seed)
    print({name: tried[name] for name in ("changes", "seed", "validation", "n_parameters", "seconds")}, flush=True)


def table(*, check: bool = False) -> int:
    """Write README.md, results.json and the figures of this folder from the results.

    Args:
        check: write nothing, but say what is not as the results say, and end with 1 if anything is.
    """
    from reproduce.table import write

    return write(is_check=check)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what the user can mend is one line and exit code 2."""
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
        print(f"reproduce: interrupted: {interruption}; the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"reproduce: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
