"""Reconstruction of masked patches: visible patches are kept, predictions are in the user's units."""

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data.audio import LazyAudio
from rotary_mae.data.images import LazyImages
from rotary_mae.report.figures import png_bytes, reconstruction_figure
from tests.estimators.small import MODEL, quick


def stripes(n: int = 24, colours: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images with stripes across or down, of any phase and strength, and which of the two."""
    rng = np.random.default_rng(seed)
    is_across = np.arange(n) % 2 == 0
    wave = np.sin(np.arange(16) * np.pi / 2 + rng.uniform(0, 2 * np.pi, (n, 1))) * rng.uniform(40, 100, (n, 1))
    square = np.where(is_across[:, None, None], wave[:, :, None], wave[:, None, :])
    bytes_ = (128 + np.broadcast_to(square[..., None], (n, 16, 16, colours))).astype(np.uint8)
    return bytes_, np.where(is_across, "across", "down")


@pytest.fixture(scope="module")
def embedder() -> rm.RoMAEEmbedder:
    images, _ = stripes()
    settings = quick(epochs=1, batch_size=24, training={"hiding": {"fraction": 0.5}})
    return rm.RoMAEEmbedder(**settings).fit(rm.from_images(images, (4, 4)))


def test_visible_patches_are_kept_in_the_units_of_the_image(embedder: rm.RoMAEEmbedder) -> None:
    images, _ = stripes(8, seed=1)
    found = embedder.reconstruct(rm.from_images(images, (4, 4)))
    assert found.is_hidden.reshape(8, 16).sum(1).tolist() == [8] * 8
    original, visible, filled = found.pictures()
    np.testing.assert_allclose(np.stack(original), images / 255, atol=1e-6)
    is_visible = ~np.isnan(np.stack(visible))
    assert is_visible.mean() == 0.5
    np.testing.assert_allclose(np.stack(filled)[is_visible], (images / 255)[is_visible], atol=1e-6)


def test_the_normalisation_of_patches_and_the_scaling_are_undone(embedder: rm.RoMAEEmbedder) -> None:
    # a patch of one colour is known from its mean and standard deviation, which the reconstruction is given
    plain = np.repeat(np.repeat(np.arange(16.0).reshape(1, 4, 4), 4, 1), 4, 2)[..., None].repeat(3, -1) / 16
    found = embedder.reconstruct(rm.from_images(plain, (4, 4)))
    assert found.is_hidden.sum() == 8
    np.testing.assert_allclose(found.filled.values, found.original.values, atol=5e-3)


@pytest.mark.slow
def test_training_reduces_the_error_of_reconstructions(embedder: rm.RoMAEEmbedder) -> None:
    learned = rm.RoMAEEmbedder(**quick(epochs=200, batch_size=24, training={"hiding": {"fraction": 0.5}}))
    learned.fit(rm.from_images(stripes()[0], (4, 4)))
    unseen = rm.from_images(stripes(8, seed=1)[0], (4, 4))

    def error(fitted: rm.RoMAEEmbedder) -> float:
        found = fitted.reconstruct(unseen)
        return float(np.square(found.filled.values - found.original.values)[found.is_hidden].mean())

    assert error(learned) < 0.3 * error(embedder)


def test_the_mask_depends_on_the_seed_alone(embedder: rm.RoMAEEmbedder) -> None:
    tokens = rm.from_images(stripes(6, seed=2)[0], (4, 4))
    first, again, other = (embedder.reconstruct(tokens, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.filled.values, again.filled.values)
    assert (first.is_hidden != other.is_hidden).any()
    assert embedder.reconstruct(tokens, fraction=0.25).is_hidden.mean() == 0.25
    with pytest.raises(ValueError, match=r"fraction to mask must be in \[0, 1\], got 2"):
        embedder.reconstruct(tokens, fraction=2.0)


def test_lazy_and_eager_images_give_the_same_classifier() -> None:
    images, kinds = stripes()
    lazy, eager = LazyImages(images, (4, 4), targets=kinds), rm.from_images(images, (4, 4), targets=kinds)
    classifiers = [rm.RoMAEClassifier(**quick(epochs=2, batch_size=24)).fit(data) for data in (lazy, eager)]
    assert classifiers[0].model_.config.context == 0
    unseen = rm.from_images(stripes(seed=3)[0], (4, 4))
    np.testing.assert_array_equal(*(classifier.predict_proba(unseen) for classifier in classifiers))


def test_audio_clips_of_different_lengths_are_classified_and_reconstructed() -> None:
    rng = np.random.default_rng(0)
    pitch = np.arange(10) % 2
    waves = [
        0.3 * np.sin(2 * np.pi * (400, 3000)[p] * np.arange(int(16_000 * rng.uniform(0.2, 0.6))) / 16_000)
        for p in pitch
    ]
    lazy = LazyAudio(waves, patch=(16, 32), targets=np.array(["low", "high"])[pitch])
    embedder = rm.RoMAEEmbedder(**quick(epochs=1)).fit(lazy)
    classifier = rm.RoMAEClassifier(init=embedder, **{**quick(epochs=6), "model": None}).fit(lazy)
    assert classifier.score(lazy) > 0.9
    original, visible, filled = embedder.reconstruct(lazy[:3]).pictures()
    assert [picture.shape for picture in filled] == [picture.shape for picture in original]
    assert np.isnan(visible[0]).mean() == pytest.approx(0.75, abs=0.05)
    assert png_bytes(reconstruction_figure(original, visible, filled)).startswith(b"\x89PNG")


def test_figures_show_masked_patches_as_transparent(embedder: rm.RoMAEEmbedder) -> None:
    figure = rm.plot_reconstruction(embedder, rm.from_images(stripes(2)[0], (4, 4)))
    panels = [panel.get_images()[0].get_array() for panel in figure.axes]
    assert len(panels) == 6
    assert np.asarray(panels[1])[..., 3].mean() == 0.5  # masked patches are transparent
    assert (np.asarray(panels[2])[..., 3] == 1).all()
    with pytest.raises(ValueError, match="take single frames of a video"):
        reconstruction_figure([np.zeros((1, 4, 4, 3))], [np.zeros((1, 4, 4, 3))], [np.zeros((1, 4, 4, 3))])


def test_series_cannot_be_reconstructed_as_pictures() -> None:
    series = rm.from_arrays(np.random.default_rng(0).normal(size=(8, 1, 6)))
    fitted = rm.RoMAEEmbedder(**quick(epochs=1, model=MODEL)).fit(series)
    with pytest.raises(ValueError, match="only patches of images and audio make pictures"):
        fitted.reconstruct(series)
