"""What a fit is worth beside simple methods, which are tried when someone asks."""

from __future__ import annotations

from dataclasses import replace

from rotary_mae.estimators.contest import Contest
from rotary_mae.estimators.summary import Summary


class Judgement:
    """A summary, and the contest that is still to be held for it, if any."""

    def __init__(self, summary: Summary, contest: Contest | None = None) -> None:
        self._summary, self._contest = summary, contest

    @property
    def summary(self) -> Summary:
        """The summary with the simple methods in it; the contest is held when this is read first, and let go."""
        if self._contest is not None:
            scores, note = self._summary.scores, self._contest.note or self._summary.note
            alike = {name: {k: of[k] for k in scores} for name, of in self._contest.results.items()}
            self._summary = replace(self._summary, baselines=alike, note=note)
            self._contest = None
        return self._summary
