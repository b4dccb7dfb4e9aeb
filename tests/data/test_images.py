"""Images and videos: the order of patches and of the values in a patch, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.data.audio import LazyAudio
from rotary_mae.data.images import LazyImages, from_images, images_from_tokens
from rotary_mae.data.sources import Source
from tests.data.same_tokens import assert_same


def numbered(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.integers(1, 3)] * 6),
    st.tuples(*[st.integers(1, 3)] * 3),
)
def test_videos_are_restored_from_their_patches(counts: tuple[int, ...], patch: tuple[int, ...]) -> None:
    n, f, h, w, colours, _ = counts
    video = numbered(n, f * patch[0], h * patch[1], w * patch[2], colours)
    tokens = from_images(video, patch)
    assert tokens.n_tokens == n * f * h * w
    np.testing.assert_array_equal(images_from_tokens(tokens), video)
    np.testing.assert_array_equal(images_from_tokens(tokens[::-1]), video[::-1])


def test_patches_are_in_raster_order_with_colours_fastest() -> None:
    images = numbered(1, 4, 6, 2)
    tokens = from_images(images, (2, 3), targets=[7], ids=["cat"])
    assert tokens.axes == ("row", "column")
    assert tokens.schema.patch == (1, 2, 3, 2)
    assert tokens.positions.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    np.testing.assert_array_equal(tokens.values[1], images[0, :2, 3:].reshape(-1))
    np.testing.assert_array_equal(images_from_tokens(tokens), images)


def test_a_patch_of_video_is_flattened_frames_first() -> None:
    video = numbered(1, 4, 2, 2, 1)
    tokens = from_images(video, (2, 2, 2))
    assert tokens.positions.tolist() == [[0, 0, 0], [1, 0, 0]]
    np.testing.assert_array_equal(tokens.values, video.reshape(2, 8))


def test_bytes_are_divided_by_255_and_grey_is_one_colour() -> None:
    grey = np.full((2, 4, 4), 255, np.uint8)
    tokens = from_images(grey, (2, 2))
    assert (tokens.values == 1).all()
    assert_same(tokens, from_images(grey[..., None], (2, 2)))
    assert_same(from_images(grey[:, None], (1, 2, 2)), from_images(grey[:, None, ..., None], (2, 2)))


def test_patches_are_at_the_times_of_their_frames() -> None:
    video = numbered(2, 3, 2, 2, 1)
    shared = from_images(video, (1, 2, 1), times=[0.0, 0.1, 5.0])
    assert shared.axes == ("time", "row", "column")
    assert shared.positions[:6, 0].tolist() == [0, 0, 0.1, 0.1, 5, 5]
    own = from_images(video, (1, 2, 1), times=[[0.0, 0.1, 5.0], [1.0, 2.0, 2.5]])
    assert own.positions[6:, 0].tolist() == [1, 1, 2, 2, 2.5, 2.5]
    np.testing.assert_array_equal(images_from_tokens(own), video)
    stamps = np.array(["2024-03-01T00:00:00", "2024-03-01T00:00:30", "2024-03-01T00:10:00"], "datetime64[s]")
    stamped = from_images(video, (1, 2, 2), times=stamps)
    assert (stamped.positions[:3, 0] - stamped.positions[0, 0]).tolist() == [0, 30, 600]
    assert_same(LazyImages(video, (1, 2, 2), times=stamps)[1:], stamped[1:])
    regular = from_images(numbered(1, 4, 2, 2, 1), (2, 2, 2), times=[10, 12, 14, 16])
    assert regular.positions[:, 0].tolist() == [10, 14]


def test_padding_repeats_the_edge_and_can_be_cropped() -> None:
    images = numbered(2, 5, 7, 3)
    tokens = from_images(images, (4, 4), pad=True)
    padded = images_from_tokens(tokens)
    assert padded.shape == (2, 8, 8, 3)
    np.testing.assert_array_equal(padded[:, 5:, :7], np.repeat(images[:, 4:], 3, axis=1))
    np.testing.assert_array_equal(images_from_tokens(tokens, (5, 7)), images)


def test_lazy_images_become_the_same_tokens() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    given = {"targets": np.arange(5), "ids": list("abcde")}
    lazy, eager = LazyImages(images, (2, 2), **given), from_images(images, (2, 2), **given)
    assert isinstance(lazy, Source)
    assert len(lazy) == 5
    for index in (slice(None), [3, 1], -1, np.arange(5) > 2):
        assert_same(lazy[index], eager[index])
    np.testing.assert_array_equal(lazy.lengths, eager.lengths)
    video, times = images[:, None], np.arange(5.0)[:, None]
    assert_same(LazyImages(video, (2, 2), times=times)[2:], from_images(video, (2, 2), times=times)[2:].replace())


def test_images_of_a_list_may_have_different_sizes() -> None:
    images = [numbered(4, 6), numbered(2, 2), numbered(3, 5)]
    tokens = from_images(images, (2, 2), targets=[1, 2, 3], ids=["a", "b", "c"], pad=True)
    assert tokens.lengths.tolist() == [6, 1, 6]
    assert tokens.ids.tolist() == ["a", "b", "c"]
    for token, image in zip(tokens, images, strict=True):
        np.testing.assert_array_equal(images_from_tokens(token, image.shape)[0, ..., 0], image)
    videos = [numbered(2, 2, 2), numbered(3, 2, 2)]
    tokens = from_images(videos, (1, 2, 2), times=[[0, 7], [1, 2, 9]])
    assert tokens.positions[:, 0].tolist() == [0, 7, 1, 2, 9]


BAD_IMAGES = {
    "colours and grey": (
        {"images": [numbered(2, 2), numbered(2, 2, 3)], "patch": (2, 2)},
        r"\(2, 2\) for image 0 and \(2, 2, 3\) for image 1",
    ),
    "times of others": (
        {"images": [numbered(1, 2, 2), numbered(3, 2, 2)], "patch": (1, 2, 2), "times": [[0]]},
        "for each of 2 videos of different sizes, got 1",
    ),
    "sizes": ({"images": numbered(1, 30, 47)}, r"\(1, 30, 47\) cannot be cut .* nearest .* \(1, 32, 48\)"),
    "integers": ({"images": np.ones((1, 16, 16), int)}, "must be uint8 or floats, got int64"),
    "axes": ({"images": numbered(16, 16)}, r"images must be \(n, height, width.* got \(16, 16\)"),
    "patch": ({"images": numbered(1, 16, 16), "patch": (4,)}, r"patch must be \(p1, p2\)"),
    "patch of one number": ({"images": numbered(1, 16, 16), "patch": 4}, r"patch must be \(p1, p2\), .* got 4"),
    "colours first": ({"images": numbered(1, 3, 16, 16)}, r"\(n, height, width\[, colours\]\), with the colours last"),
    "nothing": ({"images": numbered(0, 16, 16)}, "must not be empty"),
    "times of images": ({"images": numbered(1, 16, 16), "times": [1]}, "times are of video frames"),
    "irregular times": (
        {"images": numbered(1, 4, 2, 2, 1), "patch": (2, 2, 2), "times": [0, 1, 5, 6]},
        r"irregular times need patches of one frame, got 2 .* patch=\(1, p1, p2\)",
    ),
    "unsorted times": ({"images": numbered(1, 2, 16, 16, 1), "times": [1, 0]}, "finite and increase"),
    "too few times": (
        {"images": numbered(1, 2, 16, 16, 1), "times": [1]},
        r"times must be \(2,\) or \(1, 2\)",
    ),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_errors_that_name_the_problem(case: str) -> None:
    arguments, message = BAD_IMAGES[case]
    with pytest.raises(ValueError, match=message):
        from_images(**arguments)


def test_images_of_one_set_need_the_same_grid() -> None:
    tokens = from_images(numbered(2, 4, 4), (2, 2))
    with pytest.raises(ValueError, match="the same whole grid of 2 x 2 patches, got between 3 and 4"):
        images_from_tokens(tokens.select_tokens(np.arange(8) != 2))
    with pytest.raises(ValueError, match="no rows in a data frame"):
        tokens.to_frame()


def test_images_need_each_of_their_patches_once():
    video = from_images(np.arange(4.0).repeat(64).reshape(1, 4, 8, 8, 1), patch=(1, 4, 4))
    with pytest.raises(ValueError, match="needs each of its patches once"):
        images_from_tokens(video.select_tokens(~np.isin(np.arange(16), [0, 5, 10, 15])))
    image = from_images(np.zeros((1, 8, 8)), patch=(4, 4))
    twice = image.positions.copy()
    twice[1] = twice[0]
    with pytest.raises(ValueError, match="needs each of its patches once"):
        images_from_tokens(image.replace(positions=twice))


def test_lazy_images_accept_a_list_and_one_label_an_image():
    images = [np.full((8, 8), i, np.uint8) for i in range(3)]
    lazy = LazyImages(images, (4, 4), targets=[0, 1, 0])
    np.testing.assert_array_equal(lazy[[2, 0]].values, from_images(np.stack(images), (4, 4))[[2, 0]].values)
    with pytest.raises(ValueError, match="of one size"):
        LazyImages([*images, np.zeros((8, 12))], (4, 4))
    for wrong in ({"targets": [0, 1]}, {"targets": [0, 1, 0, 1]}, {"ids": ["a"]}):
        with pytest.raises(ValueError, match=r"must be \(3,\)"):
            LazyImages(images, (4, 4), **wrong)
        with pytest.raises(ValueError, match=r"must be \(3,\)"):
            LazyAudio(np.zeros((3, 4000)), **wrong)


@pytest.mark.parametrize("width", [8, 12])
def test_bytes_beside_floats_in_a_list_are_divided_by_255(width):
    tokens = from_images([np.full((8, 8), 255, np.uint8), np.ones((8, width))], (4, 4))
    assert tokens.values.min() == tokens.values.max() == 1.0
