"""Stream of training batches: chunks of the prior, cut into batches of series of similar length.

Chunk i is a pure function of the seed and i. The place in the stream is therefore the whole random state of a run.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from rotary_mae.prior import SyntheticSeries
from rotary_mae.series_model.views import Views, training_views

LENGTH_JITTER = (0.8, 1.25)
"""Lengths are multiplied by random factors before sorting, so that batches are not always made alike."""

MAX_SERIES = 2**62
"""Length of the source, which draws series on access."""


@dataclass(frozen=True)
class StreamPlace:
    """Place of a batch in the stream: number of the chunk, and number of the batch in it."""

    chunk: int = 0
    batch: int = 0


@dataclass(frozen=True)
class ChunkSource:
    """Chunks of a seed.

    Attributes
    ----------
    seed : int
        Seed of all series.
    chunk_size : int
        Series of a chunk.
    batch_size : int
        Series of a batch.
    """

    seed: int
    chunk_size: int
    batch_size: int

    def draw(self, number: int) -> list[Views]:
        """Return the batches of a chunk: series sorted by length, cut, and the cuts in random order."""
        generator = np.random.default_rng((self.seed, number))
        start = number * self.chunk_size
        draw = SyntheticSeries(MAX_SERIES, seed=self.seed).draw(slice(start, start + self.chunk_size))
        tokens = draw.tokens
        views = training_views(tokens.values, tokens.positions, tokens.lengths, draw.is_query, generator)
        sizes = (views.lengths + views.query_lengths) * generator.uniform(*LENGTH_JITTER, len(views))
        order = np.argsort(sizes, kind="stable")
        cuts = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        return [views.take(cuts[i]) for i in generator.permutation(len(cuts))]


def stream(source: ChunkSource, start: StreamPlace, n_processes: int = 0) -> Iterator[tuple[Views, StreamPlace]]:
    """Yield batches and the place of the batch after each, without end.

    Parameters
    ----------
    source : ChunkSource
        Chunks of the run.
    start : StreamPlace
        Place of the first batch.
    n_processes : int
        Processes that draw the next chunks ahead; with 0, a chunk is drawn in this process when it is needed.
    """
    for number, batches in _chunks(source, start.chunk, n_processes):
        first = start.batch if number == start.chunk else 0
        for i in range(first, len(batches)):
            is_last = i + 1 == len(batches)
            yield batches[i], StreamPlace(number + 1, 0) if is_last else StreamPlace(number, i + 1)


def _chunks(source: ChunkSource, start: int, n_processes: int) -> Iterator[tuple[int, list[Views]]]:
    number = start
    if n_processes == 0:
        while True:
            yield number, source.draw(number)
            number += 1
    # not fork, which copies the threads' locks of torch in any state
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_processes, context, initializer=_exit_with_parent)
    waiting: deque[Future[list[Views]]] = deque()
    try:
        while True:
            while len(waiting) <= n_processes:
                waiting.append(pool.submit(source.draw, number + len(waiting)))
            yield number, waiting.popleft().result()
            number += 1
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _exit_with_parent() -> None:
    """End this process when its parent ends, also by SIGKILL."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
