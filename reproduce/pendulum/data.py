"""Videos of noisy pendulums, after the description in the paper: what is drawn, what disturbs it, what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Array = npt.NDArray[Any]

# a rod of mass 1 and length 1 that turns about one end
GRAVITY, FRICTION, INERTIA = 9.81, 0.1, 1.0 / 3.0
STEP, STEPS_A_FRAME = 1e-4, 100
VELOCITY_NOISE = 0.1
N_FRAMES, N_CLEAN, SIDE = 100, 5, 24
CANVAS, LENGTH, LINE_WIDTH = 128, 55, 8


@dataclass(frozen=True)
class Pendulums:
    """n series of the k frames that were kept, in order of time.

    frames: (n, k, 24, 24) uint8. times: (n, k) indices of the frames, 0-99. angles: (n, k), 0 is upright.
    clarity: (n, k) share of the picture in the frame, the rest is noise.
    """

    frames: Array
    times: Array
    angles: Array
    clarity: Array

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, part: slice) -> Pendulums:
        return Pendulums(self.frames[part], self.times[part], self.angles[part], self.clarity[part])


def make_pendulums(n: int, seed: int, n_kept: int = 50) -> Pendulums:
    """``n`` series, each with its own start, noise and choice of frames; the same for the same ``seed``."""
    rng = np.random.default_rng(seed)
    angles, clarity = swing(n, rng), clarity_of_frames(n, rng)
    kept = np.sort(rng.random((n, N_FRAMES)).argsort(1)[:, :n_kept], axis=1)
    angles, clarity = np.take_along_axis(angles, kept, 1), np.take_along_axis(clarity, kept, 1)
    frames = np.empty((n, n_kept, SIDE, SIDE), np.uint8)
    for i in range(n):
        picture = np.stack([draw(angle) for angle in angles[i]])
        noise = rng.uniform(0.0, 255.0, picture.shape)
        share = clarity[i][:, None, None]
        frames[i] = np.round(share * picture + (1.0 - share) * noise)
    return Pendulums(frames, kept, angles, clarity)


def swing(n: int, rng: np.random.Generator) -> Array:
    """(n, 100) angles: from rest at any angle, by semi-implicit Euler, with noise on the velocity at every frame."""
    angle, velocity = rng.uniform(0.0, 2 * np.pi, n), np.zeros(n)
    angles = np.empty((n, N_FRAMES))
    for frame in range(N_FRAMES):
        angles[:, frame] = angle
        for _ in range(STEPS_A_FRAME):
            velocity = velocity + STEP * (GRAVITY / INERTIA * np.sin(angle) - FRICTION * velocity)
            angle = angle + STEP * velocity
        velocity = velocity + rng.normal(0.0, VELOCITY_NOISE, n)
    return angles


def clarity_of_frames(n: int, rng: np.random.Generator) -> Array:
    """(n, 100) in [0, 1]: a clipped random walk, stretched between two thresholds a series; the first five are 1."""
    walk = np.empty((n, N_FRAMES))
    walk[:, 0] = rng.uniform(0.0, 1.0, n)
    for frame in range(1, N_FRAMES):
        walk[:, frame] = np.clip(walk[:, frame - 1] + rng.uniform(-0.2, 0.2, n), 0.0, 1.0)
    low, high = rng.uniform(0.0, 0.25, (n, 1)), rng.uniform(0.75, 1.0, (n, 1))
    clarity = np.clip((walk - low) / (high - low), 0.0, 1.0)
    clarity[:, :N_CLEAN] = 1.0
    return clarity


def draw(angle: float) -> Array:
    """(24, 24) a white rod on black, 0-255, 0 is upright and angles grow to the right."""
    centre = CANVAS / 2
    tip = (centre + LENGTH * np.sin(angle), centre - LENGTH * np.cos(angle))
    canvas = Image.new("F", (CANVAS, CANVAS), 0.0)
    ImageDraw.Draw(canvas).line([(centre, centre), tip], fill=1.0, width=LINE_WIDTH)
    small = canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return 255.0 * np.clip(np.asarray(small), 0.0, 1.0)
