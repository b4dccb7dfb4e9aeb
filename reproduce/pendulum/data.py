"""Videos of noisy pendulums, generated after the description in the paper."""

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
    """n series of k frames each, in order of time.

    Attributes
    ----------
    frames : array
        (n, k, 24, 24) uint8 images.
    times : array
        (n, k) indices of the frames, 0 to 99.
    angles : array
        (n, k) angles in radians; 0 is upright.
    clarity : array
        (n, k) weight of the image in the frame; the rest is noise.
    """

    frames: Array
    times: Array
    angles: Array
    clarity: Array

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice) -> Pendulums:
        return Pendulums(self.frames[rows], self.times[rows], self.angles[rows], self.clarity[rows])


def make_pendulums(n: int, seed: int, n_kept: int = 50) -> Pendulums:
    """Return generated series.

    Parameters
    ----------
    n : int
        Number of series.
    seed : int
        Seed of initial angles, noise and choice of frames.
    n_kept : int
        Frames kept of the 100 of each series.

    Returns
    -------
    Pendulums
        The series.
    """
    rng = np.random.default_rng(seed)
    angles, clarity = swing(n, rng), clarity_of_frames(n, rng)
    kept = np.sort(rng.random((n, N_FRAMES)).argsort(1)[:, :n_kept], axis=1)
    angles, clarity = np.take_along_axis(angles, kept, 1), np.take_along_axis(clarity, kept, 1)
    frames = np.empty((n, n_kept, SIDE, SIDE), np.uint8)
    for i in range(n):
        images = np.stack([draw(angle) for angle in angles[i]])
        noise = rng.uniform(0.0, 255.0, images.shape)
        weight = clarity[i][:, None, None]
        frames[i] = np.round(weight * images + (1.0 - weight) * noise)
    return Pendulums(frames, kept, angles, clarity)


def swing(n: int, rng: np.random.Generator) -> Array:
    """Return (n, 100) angles, from rest at random angles.

    Motion is integrated by semi-implicit Euler steps; noise is added to the velocity at every frame.
    """
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
    """Return (n, 100) weights of the image in [0, 1].

    They are a clipped random walk, rescaled between two random thresholds of each series; the first five are 1.
    """
    walk = np.empty((n, N_FRAMES))
    walk[:, 0] = rng.uniform(0.0, 1.0, n)
    for frame in range(1, N_FRAMES):
        walk[:, frame] = np.clip(walk[:, frame - 1] + rng.uniform(-0.2, 0.2, n), 0.0, 1.0)
    low, high = rng.uniform(0.0, 0.25, (n, 1)), rng.uniform(0.75, 1.0, (n, 1))
    clarity = np.clip((walk - low) / (high - low), 0.0, 1.0)
    clarity[:, :N_CLEAN] = 1.0
    return clarity


def draw(angle: float) -> Array:
    """Return a (24, 24) image of a white rod on black, 0-255; angle 0 is upright and angles grow to the right."""
    centre = CANVAS / 2
    tip = (centre + LENGTH * np.sin(angle), centre - LENGTH * np.cos(angle))
    canvas = Image.new("F", (CANVAS, CANVAS), 0.0)
    ImageDraw.Draw(canvas).line([(centre, centre), tip], fill=1.0, width=LINE_WIDTH)
    small = canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return 255.0 * np.clip(np.asarray(small), 0.0, 1.0)
