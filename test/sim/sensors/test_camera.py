"""The simulated camera: geometry, masks, light, reproducibility."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bev_semseg_ros.frame import Boxes, Camera
from bev_semseg_ros.geometry import (
    OPTICAL_FROM_VIEW,
    box_corners,
    invert,
    project,
    rotation_rpy,
    transform,
)
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.render.light import random_light
from bev_semseg_ros.sim.rigs.bonnet import in_world
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors import camera as camera_module
from bev_semseg_ros.sim.sensors.camera import render

pytestmark = pytest.mark.usefixtures("kernels")

ROAD, CAR, SKY, SIGN = (MASK_LABEL[name] for name in ("road", "car", "sky", "sign"))
SIZE = (200, 140)
MATRIX = np.array([[150.0, 0, 103], [0, 155.0, 66], [0, 0, 1]])
EGO_FROM_CAMERA_VIEW = transform(rotation_rpy(-0.02, 0.01, 0.03), (0.3, 0.1, 1.7))
WORLD_FROM_EGO = transform(rotation_rpy(0.01, -0.02, 0.7), (120.0, -45.0, 2.0))
DISTORTIONS = {
    "none": np.zeros(5),
    "plumb_bob": np.array([-0.26, 0.02, 0.001, -0.002, 0.0]),
    "equidistant": np.array([0.02, -0.005, 0.001, 0.0]),
}


# A fisheye distorts the image even if its coefficients are zero.
LENSES = [*DISTORTIONS.items(), ("equidistant", np.zeros(4))]


def camera(model: str = "none", distortion: np.ndarray | None = None) -> Camera:
    if distortion is None:
        distortion = DISTORTIONS[model]
    pose = OPTICAL_FROM_VIEW @ invert(EGO_FROM_CAMERA_VIEW)
    return Camera(MATRIX, SIZE, pose, distortion, model)


def sunny_seed() -> int:
    return next(
        seed
        for seed in range(1000)
        if random_light(seed, "summer").sun.max() > 3
        and random_light(seed, "summer").sun_direction[2] > 0.7
    )


def view(
    blocks: list[tuple[tuple[float, float, float], float, int]],
    ground: bool = True,
    drive_seed: int = 3,
    seed: int = 5,
    plate: bool = False,
) -> View:
    """Return a view of cubes (centre in the ego frame, edge, label) on flat ground.

    `plate` adds a plate high above the road, outside the image.
    """
    table = MaterialTable(np.random.default_rng(0))
    grey, red = (
        table.add("road", (0.2, 0.2, 0.2), noise_contrast=0, fine_contrast=0, stain_contrast=0),
        table.add("paint", (0.7, 0.02, 0.02), noise_contrast=0, fine_contrast=0, stain_contrast=0),
    )
    builder, moving = MeshBuilder(), MeshBuilder()
    if ground:
        builder.quad((-50, -80, 0), (150, -80, 0), (150, 80, 0), (-50, 80, 0), ROAD, grey)
    if plate:
        builder.quad((8.5, -1.5, 12), (11.5, -1.5, 12), (11.5, 1.5, 12), (8.5, 1.5, 12), SIGN, grey)
    for (x, y, z), edge, label in blocks:
        moving.box((x, y, z - edge / 2), (edge, edge, edge), 0, label, red)

    return View(
        in_world(builder.build(), WORLD_FROM_EGO),
        in_world(moving.build(), WORLD_FROM_EGO),
        table,
        WORLD_FROM_EGO,
        Boxes.empty(),
        seed,
        drive_seed,
        "summer",
    )


def project_as_recorded(points: np.ndarray, looking: Camera) -> np.ndarray:
    """Return pixels (N, 2) of ego points (N, 3), distorted by OpenCV."""
    if looking.distortion_model == "none":
        return project(looking.image_from_ego, points)[0]
    rotation, _ = cv2.Rodrigues(looking.camera_from_ego[:3, :3])
    offset = looking.camera_from_ego[:3, 3]
    if looking.distortion_model == "equidistant":
        return cv2.fisheye.projectPoints(
            points[None], rotation, offset, MATRIX, looking.distortion
        )[0][0]
    return cv2.projectPoints(points, rotation, offset, MATRIX, looking.distortion)[0][:, 0]


@pytest.mark.parametrize(("model", "distortion"), LENSES)
def test_outlines_of_objects_are_centred_where_their_corners_project(model, distortion):
    looking = camera(model, distortion)
    errors = []
    for point in np.random.default_rng(0).uniform((9, -3, 0), (13, 3, 3), (24, 3)):
        _, mask = render(view([(tuple(point), 1.0, CAR)], ground=False), looking)
        v, u = np.nonzero(mask == CAR)
        corners = box_corners(
            Boxes(point[None], np.ones((1, 3)), np.zeros(1), np.zeros(1), np.ones(1))
        )[0]
        outline = cv2.moments(
            cv2.convexHull(project_as_recorded(corners, looking).astype(np.float32))
        )
        errors.append(
            [u.mean() - outline["m10"] / outline["m00"], v.mean() - outline["m01"] / outline["m00"]]
        )
    assert np.abs(errors).max() < 0.6  # the outline is rounded to whole pixels
    assert np.abs(np.mean(errors, 0)).max() < 0.12  # without a bias to one side


def test_picture_and_mask_show_the_object_at_the_same_pixels():
    image, mask = render(view([((10.0, 1.0, 0.5), 1.0, CAR)]), camera("plumb_bob"))
    redness = image[..., 0].astype(int) - image[..., 1]
    is_red = redness > 0.5 * redness.max()
    is_car = mask == CAR
    assert (is_red & is_car).sum() > 0.85 * (is_red | is_car).sum()


def test_image_and_mask_have_the_recorded_size_and_type():
    image, mask = render(view([]), camera("plumb_bob"))
    assert (image.shape, mask.shape) == (
        (140, 200, 3),
        (140, 200),
    ) and image.dtype == mask.dtype == np.uint8


def test_pixels_without_a_surface_are_sky():
    _, mask = render(view([]), camera())
    assert (mask[:50] == SKY).all() and (mask[90:] == ROAD).all()


def test_nearer_object_hides_the_farther():
    _, mask = render(view([((20.0, 0.0, 1.0), 2.0, CAR), ((8.0, 0.0, 1.0), 2.0, SIGN)]), camera())
    assert (mask == SIGN).any() and not (mask == CAR).any()


def test_the_same_seeds_give_the_same_picture():
    blocks = [((10.0, 1.0, 0.5), 1.0, CAR)]
    first, second = render(view(blocks), camera()), render(view(blocks), camera())
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_another_drive_has_other_light_and_the_same_mask():
    first, second = (
        render(view([], drive_seed=3), camera()),
        render(view([], drive_seed=4), camera()),
    )
    assert np.abs(first[0].astype(int) - second[0]).mean() > 2
    assert np.array_equal(first[1], second[1])


def test_frames_of_one_drive_differ_only_by_grain():
    drive = next(seed for seed in range(100) if camera_module.Imaging.draw(seed).grain > 0.005)
    first = render(view([], drive_seed=drive, seed=1), camera())[0].astype(int)
    second = render(view([], drive_seed=drive, seed=2), camera())[0].astype(int)
    assert 0 < np.abs(first - second).mean() < 6


def test_a_plate_shades_the_ground_under_the_sun():
    drive = sunny_seed()
    sun = invert(WORLD_FROM_EGO)[:3, :3] @ random_light(drive, "summer").sun_direction
    # The shadow of the centre of the plate (10, 0, 12), seen from 8 metres in front of it.
    shadow = np.array([10.0, 0, 12]) - sun * 12 / sun[2]
    above = transform(rotation_rpy(0, 0.6, 0), (shadow[0] - 8, shadow[1], 1.7 + 4))
    looking = replace(camera(), camera_from_ego=OPTICAL_FROM_VIEW @ invert(above))
    u, v = np.rint(project_as_recorded(shadow[None], looking)[0]).astype(int)
    lit, shaded = (
        render(view([], drive_seed=drive, plate=plate), looking)[0] for plate in (False, True)
    )
    patch = np.s_[v - 3 : v + 4, u - 3 : u + 4]
    assert shaded[patch].mean() / shaded[-10:].mean() < 0.8 * lit[patch].mean() / lit[-10:].mean()


def test_a_camera_with_a_too_wide_field_of_view_is_refused():
    fisheye = Camera(
        np.array([[60.0, 0, 100], [0, 60, 70], [0, 0, 1]]),
        SIZE,
        OPTICAL_FROM_VIEW,
        np.full(4, 1e-4),
        "equidistant",
    )
    with pytest.raises(ValueError, match="degrees"):
        render(view([]), fisheye)
