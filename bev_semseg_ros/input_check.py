"""What input looks like and whether a network knows such: the rules of the node and the doctor. Numpy only.

`InputStatistics` describes frames; its summary of the training's frames stands in a checkpoint's `info`, and `compare`
holds the summary of other frames against it. What an older checkpoint does not know is unknown, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import apply, invert

Level = Literal["ok", "warning", "fault"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "fault")

PERCENTILES = (5, 25, 50, 75, 95)
SUBSAMPLE = 2000  # points of a frame that are looked at where a share of them tells as much
SLICES = (25, 50, 75)  # in which beams are counted: percentiles of the points' azimuths
SLICE_WIDTH = 0.006  # radians: one or two shots of a spinning lidar
BEAM_GAP = np.radians(0.12)  # between the elevations of two beams; less is the noise of one
GROUND_RADIUS = 15.0  # metres within which the ground dominates the lowest points

INTENSITY_SHARE = (
    0.999  # of a cloud's points, up to which its intensity is told: a few broken ones do not count
)
INTENSITY_POINTS = 5000  # of a cloud that are looked at for that
LARGEST_INTENSITY = 2.0  # more comes of a sensor that does not count from 0 to 1
LITTLE_INTENSITY = 0.1  # a lidar that reaches no more was scaled too far down
DIM = 0.25  # of the training's brightness
GROUND_TOLERANCE, GROUND_FAULT = 0.25, 0.5  # metres beyond what training saw
CAMERA_FACTOR = (
    1.3  # focal length, field of view, aspect: so far beyond what training saw objects look alike
)
ASPECT_TOLERANCE = 0.02  # of an image against the one its intrinsics are of
UPSCALING = 1.5  # of an image to the network's size beyond which it is blurred


@dataclass(frozen=True)
class Finding:
    """A verdict about one thing: what it is about, how bad it is, why, and what to do (empty where nothing is)."""

    item: str
    level: Level
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.item}: {self.text}" + (f"; {self.remedy}" if self.remedy else "")


class InputStatistics:
    """Takes frames one by one. Looks at few of their points where these tell as much: the node does it, too."""

    def __init__(self) -> None:
        self._frames: dict[str, list[float]] = {}
        self._pooled: dict[str, list[np.ndarray]] = {"intensity": [], "range": []}
        self._sizes: set[tuple[int, int]] = set()
        self._scale = self._largest_intensity = 0.0

    def add_points(self, points: np.ndarray, ego_from_lidar: np.ndarray) -> None:
        """points (M, 4): of one cloud, as `preprocessing.prepare_points` gives them: ego frame, inside the grid."""
        self._note("points_per_frame", len(points))
        if not len(points):
            return
        some = points[:: max(1, len(points) // SUBSAMPLE)]
        ranges = np.hypot(some[:, 0], some[:, 1])
        self._pooled["intensity"].append(some[::4, 3])
        self._pooled["range"].append(ranges[::4])
        self._largest_intensity = max(self._largest_intensity, highest_intensity(points[:, 3]))
        if (near := ranges < GROUND_RADIUS).any():
            self._note("ground_height", float(np.percentile(some[near, 2], 5)))
        azimuths = np.degrees(
            np.arctan2(some[:, 1] - ego_from_lidar[1, 3], some[:, 0] - ego_from_lidar[0, 3])
        )
        self._note("view", len(np.unique(np.floor(azimuths))))
        self._note("beams", count_beams(points, ego_from_lidar))

    def add_camera(self, camera: Camera, recorded_size: tuple[int, int] | None = None) -> None:
        """camera: of the rectified image at the network's size; recorded_size: (width, height) before."""
        focal_length, width = float(camera.rectified_matrix[0, 0]), camera.size[0]
        self._sizes.add(camera.size)
        self._note("focal_length", focal_length)
        self._note("field_of_view", float(np.degrees(2 * np.arctan(width / (2 * focal_length)))))
        if recorded_size is not None:
            self._scale = max(self._scale, width / recorded_size[0])

    def summary(self) -> dict[str, Any]:
        """Plain numbers. `*_percentiles`: the 5th, 25th, 50th, 75th and 95th, None without any.

        intensity, range (horizontal, m): of all points; the rest of frames: points_per_frame; ground_height: the 5th
        percentile of z (m) within 15 m; view: degrees of azimuth with points; beams: see `count_beams`; focal_length:
        pixels at the network's image size (those: image_sizes, [width, height]); field_of_view: degrees, horizontal.
        largest_intensity: see `highest_intensity`; image_scale: the largest factor from recorded to network image, 0 if
        unknown.
        """
        values = {
            name: np.concatenate(parts) if parts else [] for name, parts in self._pooled.items()
        }
        values |= {
            name: self._frames.get(name, [])
            for name in (
                "points_per_frame",
                "ground_height",
                "view",
                "beams",
                "focal_length",
                "field_of_view",
            )
        }
        return {
            **{f"{name}_percentiles": _percentiles(several) for name, several in values.items()},
            "image_sizes": sorted(list(size) for size in self._sizes),
            "largest_intensity": round(self._largest_intensity, 4),
            "image_scale": round(self._scale, 4),
        }

    def _note(self, name: str, value: float) -> None:
        self._frames.setdefault(name, []).append(value)


def _percentiles(values: Any) -> list[float] | None:
    return [round(float(x), 4) for x in np.percentile(values, PERCENTILES)] if len(values) else None


def highest_intensity(values: np.ndarray) -> float:
    """What all but a few of a cloud's intensities (N,) stay below; 0 if none is finite."""
    values = values[:: max(1, len(values) // INTENSITY_POINTS)]
    values = values[np.isfinite(values)]
    return float(np.quantile(values, INTENSITY_SHARE, method="higher")) if len(values) else 0.0


def same_view(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether images of two sizes (width, height) can show the same: a smaller copy can, a crop cannot."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= ASPECT_TOLERANCE


def count_beams(points: np.ndarray, ego_from_lidar: np.ndarray) -> int:
    """Beams seen one above the other: the most in a few narrow slices of a cloud (M, 3+) in the ego frame.

    Beams are told apart by their elevation in the lidar's frame. Those that met nothing are not seen, so a lidar shows
    fewer than it has (a 64-beam one on a road some 45), and several lidars in one cloud are counted together.
    """
    x, y = (
        np.ascontiguousarray(points[:, axis] - np.float32(ego_from_lidar[axis, 3]))
        for axis in (0, 1)
    )
    lidar_from_ego, most, step = invert(ego_from_lidar), 0, max(1, len(points) // SUBSAMPLE)
    for azimuth in np.percentile(np.arctan2(y[::step], x[::step]), SLICES):
        c, s = np.float32(np.cos(azimuth)), np.float32(np.sin(azimuth))
        ahead = c * x + s * y
        inside = np.abs(c * y - s * x) < SLICE_WIDTH / 2 * ahead
        seen = apply(lidar_from_ego, points[inside, :3].astype(np.float64))
        elevations = np.sort(np.arctan2(seen[:, 2], np.hypot(seen[:, 0], seen[:, 1])))
        most = max(most, 1 + int((np.diff(elevations) > BEAM_GAP).sum()))
    return most


def compare(
    seen: Mapping[str, Any],
    trained: Mapping[str, Any],
    extrinsics: str = "calibration",
    intensity_scale: float = 1.0,
) -> list[Finding]:
    """A summary of `InputStatistics` held against a checkpoint's `info`: a finding for every rule.

    Rules about a sensor that `seen` lacks give none. For the remedies: extrinsics, the node's parameter of that name;
    intensity_scale, the factor that brought the intensity to what was seen.
    """
    findings: list[Finding] = []
    if _median(seen, "points_per_frame") is not None:
        findings += [
            _points(seen, trained, extrinsics),
            *(
                []
                if not seen["intensity_percentiles"]
                else [
                    _intensity(seen, trained, intensity_scale),
                    _ground(seen, trained, extrinsics),
                    _range(seen, trained),
                    _beams(seen, trained),
                    _view(seen, trained, extrinsics),
                ]
            ),
        ]
    if seen.get("image_sizes"):
        findings += [
            _image_size(seen, trained),
            _focal_length(seen, trained),
            _field_of_view(seen, trained),
        ]
    return findings


# --- the rules --------------------------------------------------------------------------------------------------------

RETRAIN = "expect less accuracy, or train with such data"
ROI = "roi in its camera_info"
POSES = {
    "calibration": "the calibration",
    "parameters": "lidar_pose",
    "tf": "TF",
}  # the lidar's, by extrinsics


def _points(seen: Mapping[str, Any], trained: Mapping[str, Any], extrinsics: str) -> Finding:
    count, known = _median(seen, "points_per_frame"), _span(trained, "points_per_frame")
    text = f"{count:.0f} inside the grid in a cloud{_against(known, '.0f')}"
    if count == 0:
        return Finding(
            "points",
            "fault",
            text,
            f"check the lidar's pose in {POSES[extrinsics]} and its frame: the "
            "grid lies ahead of the vehicle",
        )
    if known and count < known[0] / 3:
        return Finding("points", "warning", text, f"far objects will be missed; {RETRAIN}")
    return Finding("points", "ok", text)


def _intensity(seen: Mapping[str, Any], trained: Mapping[str, Any], scale: float) -> Finding:
    largest, bright, usual = (
        seen["largest_intensity"],
        seen["intensity_percentiles"][-1],
        _brightness(trained),
    )
    text = f"up to {largest:.3g}, 95 % below {bright:.3g}" + (
        f", training's below {usual:.3g}" if usual else "; training's is unknown"
    )
    if largest <= 0:
        return Finding(
            "intensity",
            "warning",
            "0 everywhere",
            "set intensity_field (and intensity_scale) to what the "
            "cloud has; without intensity expect less accuracy",
        )
    if _suits(largest, bright, usual):
        return Finding("intensity", "ok", text)
    better = better_intensity_scale(seen, trained, scale)
    remedy = RETRAIN if better is None else f"set intensity_scale to {better:g}"
    if largest > LARGEST_INTENSITY:
        return Finding(
            "intensity", "fault", f"goes up to {largest:g} where 0..1 is expected", remedy
        )
    return Finding("intensity", "warning", text, remedy)


def full_scale(kind: str, largest: float) -> float:
    """What 1.0 is in a field of `kind` (numpy's "u1", "f4" ...) whose values reach `largest`: 1, 255 or 65535."""
    if kind == "u1":
        return 255.0
    if kind == "u2":
        return 255.0 if largest <= 255 else 65535.0
    return 1.0 if largest <= LARGEST_INTENSITY else 255.0 if largest <= 256 else 65535.0


def suited_intensity_scale(largest: float, bright: float, trained: Mapping[str, Any]) -> float:
    """The node's intensity_scale for raw intensities that reach `largest` > 0, 95 % of them below `bright`.

    The full scale of their range, where that suits. Else what makes them as bright as the training's, as far as it
    leaves the largest in range, and where the training's is unknown what makes the largest 1.
    """
    scale, usual = 1 / full_scale("f4", largest), _brightness(trained)
    if _suits(largest * scale, bright * scale, usual):
        return scale
    if not usual or bright <= 0:
        return 1 / largest
    return min(
        usual / bright, 0.8 * LARGEST_INTENSITY / largest
    )  # room for clouds that reach a bit more


def better_intensity_scale(
    seen: Mapping[str, Any], trained: Mapping[str, Any], scale: float
) -> float | None:
    """The intensity_scale to set where `scale`, with which `seen` came about, does not suit; None if no other does."""
    largest, percentiles = seen["largest_intensity"], seen["intensity_percentiles"]
    if largest <= 0 or _suits(largest, percentiles[-1], _brightness(trained)):
        return None
    better = float(
        f"{suited_intensity_scale(largest / scale, percentiles[-1] / scale, trained):.3g}"
    )
    return None if np.isclose(better, scale, rtol=0.1, atol=0) else better


def _brightness(trained: Mapping[str, Any]) -> float | None:
    """What 95 % of the training's intensities are below; None where the checkpoint does not say."""
    percentiles = trained.get("intensity_percentiles")
    return percentiles[-1] if percentiles else None


def _suits(largest: float, bright: float, usual: float | None) -> bool:
    """Neither too bright nor too dim for the network, which knew `usual` for `bright`."""
    return largest <= LARGEST_INTENSITY and (
        bright >= DIM * usual if usual else largest >= LITTLE_INTENSITY
    )


def _ground(seen: Mapping[str, Any], trained: Mapping[str, Any], extrinsics: str) -> Finding:
    height, known = _median(seen, "ground_height"), _span(trained, "ground_height")
    if height is None:
        return Finding("ground height", "ok", f"unknown: no points within {GROUND_RADIUS:g} m")
    text = f"the lowest points lie at {height:+.2f} m{_against(known, '+.2f')}"
    beyond = 0.0 if known is None else height - float(np.clip(height, *known))
    if abs(beyond) <= GROUND_TOLERANCE:
        return Finding("ground height", "ok", text)
    error = height - _median(trained, "ground_height")
    if extrinsics == "calibration":
        remedy = (
            f"{'lower' if error > 0 else 'raise'} the lidar (z of lidar.ego_from_lidar) by about "
            f"{abs(error):.2f} m in the calibration, or correct its tilt"
        )
    else:
        remedy = (
            f"{'raise' if error > 0 else 'lower'} ground_height by about {abs(error):.2f} m, or correct the "
            f"lidar's height or tilt in {POSES[extrinsics]}"
        )
    return Finding(
        "ground height", "fault" if abs(beyond) > GROUND_FAULT else "warning", text, remedy
    )


def _range(seen: Mapping[str, Any], trained: Mapping[str, Any]) -> Finding:
    far, usual = seen["range_percentiles"][-1], trained.get("range_percentiles")
    text = f"95 % of the points within {far:.1f} m" + (
        f", in training {usual[-1]:.1f} m" if usual else "; training's is unknown"
    )
    if usual and not usual[-1] / 2 <= far <= usual[-1] * 2:
        return Finding("range", "warning", text, RETRAIN)
    return Finding("range", "ok", text)


def _beams(seen: Mapping[str, Any], trained: Mapping[str, Any]) -> Finding:
    beams, known = _median(seen, "beams"), _span(trained, "beams")
    text = f"about {beams:.0f} above each other{_against(known, '.0f')}"
    if known and not known[0] / 2 <= beams <= known[1] * 2:
        return Finding("beams", "warning", text, RETRAIN)
    return Finding("beams", "ok", text)


def _view(seen: Mapping[str, Any], trained: Mapping[str, Any], extrinsics: str) -> Finding:
    degrees, known = _median(seen, "view"), _span(trained, "view")
    text = f"the lidar sees {degrees:.0f} degrees of the grid{_against(known, '.0f')}"
    if known and degrees < known[0] / 2:
        return Finding(
            "lidar's view",
            "warning",
            text,
            f"check the lidar's pose in {POSES[extrinsics]}, and whether the driver cuts its view",
        )
    return Finding("lidar's view", "ok", text)


def _image_size(seen: Mapping[str, Any], trained: Mapping[str, Any]) -> Finding:
    sizes, known = seen["image_sizes"], trained.get("image_sizes")
    text = f"{_sizes(sizes)} for the network, " + (
        f"in training {_sizes(known)}" if known else "training's is unknown"
    )
    if seen.get("image_scale", 0) > UPSCALING:
        return Finding(
            "image size",
            "warning",
            f"enlarged {seen['image_scale']:.1f} times for the network",
            "use a larger image",
        )
    aspects = [width / height for width, height in known or sizes]
    if any(
        not min(aspects) / CAMERA_FACTOR <= width / height <= max(aspects) * CAMERA_FACTOR
        for width, height in sizes
    ):
        return Finding(
            "image size", "warning", text, f"crop it to such an aspect ({ROI}); {RETRAIN}"
        )
    return Finding("image size", "ok", text)


def _focal_length(seen: Mapping[str, Any], trained: Mapping[str, Any]) -> Finding:
    return _lens(
        seen, trained, "focal_length", "focal length", "pixels at the network's image size"
    )


def _field_of_view(seen: Mapping[str, Any], trained: Mapping[str, Any]) -> Finding:
    return _lens(
        seen, trained, "field_of_view", "field of view", "degrees across the rectified image"
    )


def _lens(
    seen: Mapping[str, Any], trained: Mapping[str, Any], key: str, item: str, unit: str
) -> Finding:
    value, known = _median(seen, key), _span(trained, key)
    text = f"{value:.0f} {unit}{_against(known, '.0f')}"
    if known and not known[0] / CAMERA_FACTOR <= value <= known[1] * CAMERA_FACTOR:
        wide = (value < known[0]) == (key == "focal_length")
        return Finding(
            item,
            "warning",
            text,
            (f"crop the image ({ROI})" if wide else "use a wider lens") + f"; {RETRAIN}",
        )
    return Finding(item, "ok", text)


def _median(summary: Mapping[str, Any], name: str) -> float | None:
    percentiles = summary.get(f"{name}_percentiles")
    return percentiles[2] if percentiles else None


def _span(trained: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Between the 5th and the 95th percentile of the training's frames; None where the checkpoint does not say."""
    percentiles = trained.get(f"{name}_percentiles")
    return (percentiles[0], percentiles[-1]) if percentiles else None


def _against(known: tuple[float, float] | None, form: str) -> str:
    return (
        "; training's is unknown"
        if known is None
        else f", in training {known[0]:{form}} to {known[1]:{form}}"
    )


def _sizes(sizes: Any) -> str:
    return ", ".join(f"{width} x {height}" for width, height in sizes)
