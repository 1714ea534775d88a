"""The factor that scales the intensity to 0..1: it is determined once and kept."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("rclpy")

from support.clouds import PLAIN, cloud

from bev_semseg_ros.ros.input.intensity import CLOUDS, IntensityScale


def lidar(kind: str, top: float, field: str = "intensity", seed: int = 0):
    """Return a cloud of 2000 points whose intensities fill 0..top, most of them low."""
    values = np.linspace(0, 1, 2000) ** 3 * top
    xyz = np.random.default_rng(seed).uniform(-20, 20, (3, 2000))
    return cloud(
        {"x": xyz[0], "y": xyz[1], "z": xyz[2], field: values},
        {**{name: PLAIN[name] for name in "xyz"}, field: kind},
    )


def brightest(
    scale: IntensityScale, message, field: str = "intensity", given: float = 0.0
) -> float:
    return float(scale.decode(message, field, given)[:, 3].max())


@pytest.mark.parametrize(
    ("kind", "top"),
    [
        ("f4", 255),
        ("f8", 255),
        ("i4", 255),
        ("u4", 200),
        ("u2", 255),
        ("u1", 255),
        ("u2", 65535),
        ("f4", 65535),
        ("f4", 1),
        ("f8", 1.3),
    ],
)
def test_the_highest_intensity_of_a_lidar_is_scaled_to_about_one(kind, top):
    assert 0.7 < brightest(IntensityScale(), lidar(kind, top)) < 1.4


@pytest.mark.parametrize(
    ("kind", "top", "given", "factor"),
    [
        ("f4", 1, 0.0, 1.0),
        ("u1", 255, 0.0, 1 / 255),
        ("f4", 3000, 0.0, 1 / 65535),
        ("f4", 100, 0.01, 0.01),
    ],
)
def test_the_factor_can_be_read(kind, top, given, factor):
    scale, message = IntensityScale(), lidar(kind, top)
    assert scale.decode(message, "intensity", given)[:, 3].max() == pytest.approx(
        top * scale.factor
    )
    assert scale.factor == factor


def test_the_scaling_is_reported_once():
    scale, told = IntensityScale(), []
    for seed in range(20):
        scale.decode(lidar("f4", 255, seed=seed), "intensity", 0.0)
        told.append(scale.take_warning())
    assert told == ["intensity of the cloud (float32) reaches 255: scaled by 1/255", *[None] * 19]


def test_an_intensity_in_its_usual_range_gives_no_warning():
    for kind, top in (("f4", 1), ("u1", 255), ("u2", 65535)):
        scale = IntensityScale()
        scale.decode(lidar(kind, top), "intensity", 0.0)
        assert scale.take_warning() is None


def test_the_factor_does_not_flicker():
    """A dark or bright cloud after the first ones does not change the scale."""
    scale = IntensityScale()
    for _ in range(CLOUDS):
        scale.decode(lidar("f4", 255), "intensity", 0.0)
    assert brightest(scale, lidar("f4", 1)) == pytest.approx(1 / 255)
    assert brightest(scale, lidar("f4", 3000)) == pytest.approx(3000 / 255)


def test_the_scale_may_grow_during_the_first_clouds():
    scale = IntensityScale()
    assert brightest(scale, lidar("u2", 200)) == pytest.approx(200 / 255, abs=0.01)
    assert brightest(scale, lidar("u2", 60000)) == pytest.approx(60000 / 65535, abs=0.01)
    assert brightest(scale, lidar("u2", 200)) == pytest.approx(200 / 65535)


@pytest.mark.parametrize(
    ("kind", "field"), [("u2", "intensity"), ("u2", "reflectivity"), ("f4", "intensity")]
)
def test_an_ouster_like_signal_is_scaled_far_down_unless_a_scale_is_given(kind, field):
    """Ouster's signal counts photons, up to about 3000 of 65535; `input_check` calls it dim."""
    scale, message = IntensityScale(), lidar(kind, 3000, field)
    assert brightest(scale, message, field) == pytest.approx(3000 / 65535, abs=1e-3)
    assert brightest(scale, message, field, 1 / 3000) == pytest.approx(1, abs=1e-3)


def test_an_ouster_like_reflectivity_in_16_bits_is_recognised():
    assert brightest(
        IntensityScale(), lidar("u2", 255, "reflectivity"), "reflectivity"
    ) == pytest.approx(1, abs=0.01)


def test_a_given_scale_takes_precedence():
    scale = IntensityScale()
    assert (
        brightest(scale, lidar("f4", 100), given=0.01) == pytest.approx(1)
        and scale.take_warning() is None
    )


def test_the_scale_of_another_field_is_determined_anew():
    scale = IntensityScale()
    scale.decode(lidar("f4", 255), "intensity", 0.0)
    assert brightest(scale, lidar("f4", 1, "reflectance"), "reflectance") == pytest.approx(1)


def test_a_few_broken_points_do_not_change_the_scale():
    message = lidar("f4", 1)
    points = np.frombuffer(message.data, np.float32).reshape(-1, 4).copy()
    points[3, 3], points[4, 3] = 1e30, np.nan
    message.data[:] = type(message.data)("B", points.tobytes())
    scale = IntensityScale()
    scale.decode(message, "intensity", 0.0)
    assert scale.take_warning() is None and brightest(scale, lidar("f4", 1)) == pytest.approx(1)


def test_a_damaged_intensity_stays_non_finite_without_a_numpy_warning():
    """Random bytes may be signalling NaNs, about which NumPy warns when it multiplies them."""
    message = lidar("f4", 255)
    points = np.frombuffer(message.data, np.float32).reshape(-1, 4).copy()
    points.view(np.uint32)[5:8, 3] = 0x7FA00000, 0x7FC00000, 0x7F800000  # both NaN, and infinite
    message.data[:] = type(message.data)("B", points.tobytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = IntensityScale().decode(message, "intensity", 0.0)
    assert np.flatnonzero(~np.isfinite(scaled[:, 3])).tolist() == [5, 6, 7]
    np.testing.assert_allclose(scaled[8:, 3], points[8:, 3] / 255, rtol=1e-6)


def test_clouds_without_intensity_do_not_determine_the_scale():
    scale = IntensityScale()
    for _ in range(CLOUDS):
        scale.decode(lidar("f4", 0), "intensity", 0.0)
        scale.decode(lidar("f4", 255, "other"), "intensity", 0.0)
    assert brightest(scale, lidar("f4", 255)) == pytest.approx(1)


def test_damaged_clouds_do_not_change_the_scale_of_good_ones():
    scale = IntensityScale()
    for _ in range(CLOUDS):
        scale.decode(lidar("f4", 1), "intensity", 0.0)
    for _ in range(CLOUDS):
        scale.decode(lidar("f8", 1e30), "intensity", 0.0)
        scale.decode(lidar("f4", 1e30), "intensity", 0.0)
        assert brightest(scale, lidar("f4", 1)) == pytest.approx(1)


def test_the_scale_changes_if_enough_clouds_in_a_row_contradict_it():
    scale = IntensityScale()
    for _ in range(CLOUDS):
        scale.decode(lidar("f4", 1), "intensity", 0.0)
    assert [round(brightest(scale, lidar("f4", 250)), 2) for _ in range(CLOUDS)] == [250] * (
        CLOUDS - 1
    ) + [0.98]
    assert "scaled by 1/255" in scale.take_warning()


def test_decoding_does_not_modify_the_message():
    message = lidar("f4", 255)
    before = bytes(message.data)
    IntensityScale().decode(message, "intensity", 0.0)
    assert bytes(message.data) == before
