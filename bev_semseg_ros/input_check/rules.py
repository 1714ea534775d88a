"""The rules that compare a summary of the input with that of the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.input_check.finding import Finding
from bev_semseg_ros.input_check.intensity import (
    LARGEST_INTENSITY,
    better_intensity_scale,
    suits,
    training_brightness,
)
from bev_semseg_ros.input_check.statistics import GROUND_RADIUS

# Ground height: metres outside the range of the training data.
GROUND_TOLERANCE, GROUND_FAULT = 0.25, 0.5
# Focal length, field of view and aspect ratio: allowed factor beyond the training data's range.
CAMERA_FACTOR = 1.3
UPSCALING = 1.5  # an image that is enlarged more than this for the network is blurred

RETRAIN = "expect less accuracy, or train with such data"
CROP = "roi in its camera_info"
# Where the lidar's pose is set, by value of the node's parameter `extrinsics`.
POSES = {"calibration": "the calibration", "parameters": "lidar_pose", "tf": "TF"}

Summary = Mapping[str, Any]


def compare(
    seen: Summary,
    trained: Summary,
    extrinsics: str = "calibration",
    intensity_scale: float = 1.0,
    sensor: str = "",
) -> list[Finding]:
    """Compare input with the training data.

    Args:
        seen: Summary of the input (`InputStatistics.summary`).
        trained: A checkpoint's `info`.
        extrinsics: The node's parameter of that name, for the remedies.
        intensity_scale: The intensity_scale with which the input was decoded, for the remedies.
        sensor: Name of the lidar in parameters and calibrations, for the remedies; "" if none.

    Returns:
        A finding for every rule; none for the rules about a sensor that `seen` lacks.
    """
    findings: list[Finding] = []
    if seen.get("points_per_frame_percentiles"):
        findings.append(_points(seen, trained, extrinsics))
    if seen.get("intensity_percentiles"):
        findings += [
            _intensity(seen, trained, intensity_scale, sensor),
            _ground(seen, trained, extrinsics, sensor),
            _range(seen, trained),
            _beams(seen, trained),
            _view(seen, trained, extrinsics),
        ]
    if seen.get("image_sizes"):
        findings += [
            _image_size(seen, trained),
            _focal_length(seen, trained),
            _field_of_view(seen, trained),
        ]
    return findings


def _points(seen: Summary, trained: Summary, extrinsics: str) -> Finding:
    """Check the number of points inside the grid."""
    count = _median(seen, "points_per_frame")
    usual = _usual(trained, "points_per_frame")
    text = f"{count:.0f} inside the grid in a cloud{_in_training(usual, '.0f')}"
    if count == 0:
        remedy = (
            f"check the lidar's pose in {POSES[extrinsics]} and its frame: "
            "the grid lies ahead of the vehicle"
        )
        return Finding("points", "fault", text, remedy)
    if usual and count < usual[0] / 3:
        return Finding("points", "warning", text, f"far objects will be missed; {RETRAIN}")
    return Finding("points", "ok", text)


def _intensity(seen: Summary, trained: Summary, scale: float, sensor: str) -> Finding:
    """Check that the intensity is on the scale of the training data."""
    prefix = f"{sensor}." if sensor else ""
    largest = seen["largest_intensity"]
    bright = seen["intensity_percentiles"][-1]
    usual = training_brightness(trained)
    if largest <= 0:
        remedy = (
            f"set {prefix}intensity_field (and {prefix}intensity_scale) to what the cloud has; "
            "without intensity expect less accuracy"
        )
        return Finding("intensity", "warning", "0 everywhere", remedy)
    in_training = f", in training below {usual:.3g}" if usual else _UNKNOWN
    text = f"up to {largest:.3g}, 95 % below {bright:.3g}{in_training}"
    if suits(largest, bright, usual):
        return Finding("intensity", "ok", text)
    better = better_intensity_scale(seen, trained, scale)
    remedy = RETRAIN if better is None else f"set {prefix}intensity_scale to {better:g}"
    if largest > LARGEST_INTENSITY:
        text = f"goes up to {largest:g} where 0..1 is expected"
        return Finding("intensity", "fault", text, remedy)
    return Finding("intensity", "warning", text, remedy)


def _ground(seen: Summary, trained: Summary, extrinsics: str, sensor: str) -> Finding:
    """Check the height of the lowest points, which depends on the lidar's height and tilt."""
    if not seen.get("ground_height_percentiles"):
        return Finding("ground height", "ok", f"unknown: no points within {GROUND_RADIUS:g} m")
    height = _median(seen, "ground_height")
    usual = _usual(trained, "ground_height")
    text = f"the lowest points lie at {height:+.2f} m{_in_training(usual, '+.2f')}"
    if usual is None:
        return Finding("ground height", "ok", text)
    beyond = abs(height - float(np.clip(height, *usual)))
    if beyond <= GROUND_TOLERANCE:
        return Finding("ground height", "ok", text)
    error = height - _median(trained, "ground_height")
    if extrinsics == "calibration":
        direction = "lower" if error > 0 else "raise"
        section = f"lidars.{sensor}" if sensor else "lidar"
        remedy = (
            f"{direction} the lidar (z of {section}.ego_from_lidar) by about {abs(error):.2f} m "
            "in the calibration, or correct its tilt; cameras that were placed from the lidar move "
            "with it: correct camera_from_ego, too"
        )
    else:
        direction = "raise" if error > 0 else "lower"
        remedy = (
            f"{direction} ground_height by about {abs(error):.2f} m, "
            f"or correct the lidar's height or tilt in {POSES[extrinsics]}"
        )
    return Finding("ground height", "fault" if beyond > GROUND_FAULT else "warning", text, remedy)


def _range(seen: Summary, trained: Summary) -> Finding:
    """Check how far the points reach."""
    far = seen["range_percentiles"][-1]
    known = trained.get("range_percentiles")
    in_training = f", in training {known[-1]:.1f} m" if known else _UNKNOWN
    text = f"95 % of the points within {far:.1f} m{in_training}"
    if known and not known[-1] / 2 <= far <= known[-1] * 2:
        return Finding("range", "warning", text, RETRAIN)
    return Finding("range", "ok", text)


def _beams(seen: Summary, trained: Summary) -> Finding:
    """Check the number of beams."""
    if not seen.get("beams_percentiles"):
        return Finding("beams", "ok", "unknown: the cloud is not in the frame of a lidar")
    beams = _median(seen, "beams")
    usual = _usual(trained, "beams")
    text = f"about {beams:.0f} above each other{_in_training(usual, '.0f')}"
    if usual and not usual[0] / 2 <= beams <= usual[1] * 2:
        return Finding("beams", "warning", text, RETRAIN)
    return Finding("beams", "ok", text)


def _view(seen: Summary, trained: Summary, extrinsics: str) -> Finding:
    """Check how many degrees of azimuth the lidar covers."""
    degrees = _median(seen, "view")
    usual = _usual(trained, "view")
    text = f"the lidar sees {degrees:.0f} degrees of the grid{_in_training(usual, '.0f')}"
    if usual and degrees < usual[0] / 2:
        remedy = (
            f"check the lidar's pose in {POSES[extrinsics]}, and whether the driver crops its view"
        )
        return Finding("lidar's view", "warning", text, remedy)
    return Finding("lidar's view", "ok", text)


def _image_size(seen: Summary, trained: Summary) -> Finding:
    """Check that the image is large enough, and that its aspect ratio occurs in training."""
    sizes = seen["image_sizes"]
    known = trained.get("image_sizes")
    in_training = f", in training {_format_sizes(known)}" if known else _UNKNOWN
    text = f"{_format_sizes(sizes)} for the network{in_training}"
    scale = seen.get("image_scale", 0)
    if scale > UPSCALING:
        text = f"enlarged {scale:.1f} times for the network"
        return Finding("image size", "warning", text, "use a larger image")
    aspects = [width / height for width, height in known or sizes]
    lowest, highest = min(aspects) / CAMERA_FACTOR, max(aspects) * CAMERA_FACTOR
    for width, height in sizes:
        if not lowest <= width / height <= highest:
            remedy = f"crop it to such an aspect ratio ({CROP}); {RETRAIN}"
            return Finding("image size", "warning", text, remedy)
    return Finding("image size", "ok", text)


def _focal_length(seen: Summary, trained: Summary) -> Finding:
    """Check how large objects appear."""
    focal_length = _median(seen, "focal_length")
    usual = _usual(trained, "focal_length")
    in_training = _in_training(usual, ".0f")
    text = f"{focal_length:.0f} pixels at the network's image size{in_training}"
    is_short = usual is not None and focal_length < usual[0]
    return _lens("focal length", focal_length, usual, text, is_wide=is_short)


def _field_of_view(seen: Summary, trained: Summary) -> Finding:
    """Check how wide the view is."""
    degrees = _median(seen, "field_of_view")
    usual = _usual(trained, "field_of_view")
    text = f"{degrees:.0f} degrees across the rectified image{_in_training(usual, '.0f')}"
    is_wide = usual is None or degrees >= usual[0]
    return _lens("field of view", degrees, usual, text, is_wide=is_wide)


def _lens(
    item: str, value: float, usual: tuple[float, float] | None, text: str, is_wide: bool
) -> Finding:
    """Compare a property of the lens with its usual range; `is_wide` decides the remedy."""
    if usual is None or usual[0] / CAMERA_FACTOR <= value <= usual[1] * CAMERA_FACTOR:
        return Finding(item, "ok", text)
    remedy = f"crop the image ({CROP})" if is_wide else "use a wider lens"
    return Finding(item, "warning", text, f"{remedy}; {RETRAIN}")


_UNKNOWN = "; unknown for the training data"


def _median(summary: Summary, name: str) -> float:
    """Return the median of a property that the summary has."""
    return summary[f"{name}_percentiles"][2]


def _usual(trained: Summary, name: str) -> tuple[float, float] | None:
    """Return the 5th and the 95th percentile of the training frames; None if unknown."""
    percentiles = trained.get(f"{name}_percentiles")
    return (percentiles[0], percentiles[-1]) if percentiles else None


def _in_training(usual: tuple[float, float] | None, form: str) -> str:
    """Return the end of a text: the usual range in training. `form` formats the numbers."""
    if usual is None:
        return _UNKNOWN
    return f", in training {usual[0]:{form}} to {usual[1]:{form}}"


def _format_sizes(sizes: Sequence[Sequence[int]]) -> str:
    """Return sizes [width, height] as text."""
    return ", ".join(f"{width} x {height}" for width, height in sizes)
