"""Command ``python -m pretraining train | status | evaluate | export``."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

RUN = Path("runs/pretraining")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the command line names."""
    given = _parser().parse_args(arguments)
    given.function(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pretraining", description="Train the series model that is shipped."
    )
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="start a run, or resume it exactly where its state was saved")
    train.set_defaults(function=_train)
    train.add_argument("--minutes", type=float, default=60.0, help="minutes of the clock (default: 60)")
    train.add_argument("--steps", type=int, help="stop when the run has made so many steps")
    train.add_argument("--save-seconds", type=float, default=300.0, help="seconds between saved states (default: 300)")
    train.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1, for exact resume)")
    train.add_argument("--processes", type=int, default=0, help="processes that draw series ahead (default: 0)")
    train.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    new = train.add_argument_group("new run", "settings of a run that does not exist yet")
    new.add_argument("--seed", type=int, default=7)
    new.add_argument("--width", type=int, default=192)
    new.add_argument("--heads", type=int, default=6)
    new.add_argument("--depth", type=int, default=4)
    new.add_argument("--batch-size", type=int, default=64)
    new.add_argument("--chunk-size", type=int, default=1024)
    new.add_argument("--learning-rate", type=float, default=2e-3)
    new.add_argument("--no-bf16", action="store_true", help="float32 products")
    new.add_argument("--from", dest="origin", type=Path, help="continue a copy of the state of this run")
    new.add_argument(
        "--decay", type=int, default=0, help="with --from: end with a rate that falls to 0 in so many steps"
    )
    status = commands.add_parser("status", help="progress and loss of a run")
    status.set_defaults(function=_status)
    evaluate = commands.add_parser("evaluate", help="scores on development data, written as JSON")
    evaluate.set_defaults(function=_evaluate)
    evaluate.add_argument("--out", type=Path, help="file to write (default: evaluation-STEP.json in the run folder)")
    evaluate.add_argument("--no-real", action="store_true", help="draws of the prior and of Gaussian processes alone")
    export = commands.add_parser("export", help="write the model in float16, with its provenance")
    export.set_defaults(function=_export)
    export.add_argument("folder", type=Path, help="folder to write")
    for command in (train, status, evaluate, export):
        command.add_argument("--run", type=Path, default=RUN, help=f"folder of the run (default: {RUN})")
    return parser


def _train(given: argparse.Namespace) -> None:
    import torch

    from pretraining.run_state import RunFolder
    from pretraining.trainer import Limits, train

    torch.set_num_threads(given.threads)
    folder = RunFolder(given.run)
    if not folder.exists:
        _start(folder, given)
    limits = Limits(given.minutes, given.steps, given.save_seconds)
    counters = train(folder, limits, device=given.device, n_processes=given.processes)
    print(
        f"{folder.path}: step {counters.step}, {counters.series} series, {counters.core_seconds / 3600:.2f} core-hours"
    )


def _start(folder: object, given: argparse.Namespace) -> None:
    """Write the settings of a new run, and with ``--from`` a copy of the state of another."""
    from pretraining.run_state import RunFolder
    from pretraining.settings import Settings
    from rotary_mae.series_model.model import SeriesModelConfig

    assert isinstance(folder, RunFolder)
    if given.origin is None:
        if given.decay:
            raise SystemExit("--decay continues a run that was trained at a constant rate: give it by --from")
        model = SeriesModelConfig(width=given.width, heads=given.heads, depth=given.depth)
        folder.start(
            Settings(
                model=model,
                seed=given.seed,
                batch_size=given.batch_size,
                chunk_size=given.chunk_size,
                learning_rate=given.learning_rate,
                bf16=not given.no_bf16,
            )
        )
        return
    origin = RunFolder(given.origin)
    settings, counters = origin.settings(), origin.counters()
    shutil.copytree(origin.state, folder.state)
    if origin.log_path.exists():
        shutil.copy(origin.log_path, folder.log_path)
    if given.decay:
        settings = replace(settings, decay_start=counters.step, decay_steps=given.decay)
    folder.start(settings)


def _status(given: argparse.Namespace) -> None:
    from pretraining.run_state import RunFolder

    folder = RunFolder(given.run)
    settings, counters, lines = folder.settings(), folder.counters(), folder.lines()
    print(f"{folder.path}: width {settings.model.width}, seed {settings.seed}, prior version {settings.prior_version}")
    end = f" of {settings.last_step}" if settings.last_step else ""
    print(
        f"step {counters.step}{end}, {counters.series} series, {counters.core_seconds / 3600:.2f} core-hours, "
        f"{counters.seconds / 3600:.2f} hours, {counters.sessions} calls"
    )
    for line in lines[:: max(1, len(lines) // 20)]:
        print(f"  step {line['step']:7d}  {line['core_minutes']:8.1f} core-minutes  loss {line['loss']:.4f}")


def _evaluate(given: argparse.Namespace) -> None:
    import torch

    from pretraining.evaluation import evaluate_run
    from pretraining.run_state import RunFolder

    torch.set_num_threads(1)
    folder = RunFolder(given.run)
    out = given.out or folder.path / f"evaluation-{folder.counters().step}.json"
    result = evaluate_run(folder, with_real=not given.no_real)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["scores"], indent=1))
    print(f"wrote {out}")


def _export(given: argparse.Namespace) -> None:
    from pretraining.export import export_run
    from pretraining.run_state import RunFolder

    print(json.dumps(export_run(RunFolder(given.run), given.folder), indent=1))


if __name__ == "__main__":
    main()
