from dataclasses import replace

import numpy as np
import pytest
import torch
from support.samples import GRID, camera_sample, lidar_sample, rig_sample, run, sample, small_config

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import CAMERA, Boxes
from bev_semseg_ros.inference.engine import torch_threads
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.tasks.task import merged
from bev_semseg_ros.preprocessing import Sample, points_in_grid

# Fusions that use the predictions of the segmentation; all fusions.
SEMANTIC = ("painted", "semantic_cross_attention")
FUSIONS = ("projective", "cross_attention", "none", *SEMANTIC)


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: with small tensors on shared cores, a second one would only wait."""
    with torch_threads(1):
        yield


def network(config=None, seed=0):
    torch.manual_seed(seed)
    return build_network(config or small_config()).eval()


def heatmap(model, *samples):
    return run(model, *samples)["detection"]["heatmap"]


PARTS = [("residual", fusion) for fusion in FUSIONS] + [
    ("efficientnet_lite0", fusion) for fusion in FUSIONS if fusion not in SEMANTIC
]


@pytest.mark.parametrize(("encoder", "fusion"), PARTS)
def test_outputs_have_the_promised_shapes(fusion, encoder):
    model = network(small_config(fusion=fusion, camera_encoder=encoder))
    outputs = run(model, sample(0), sample(1))
    assert {task: list(outputs[task]) for task in outputs} == {
        "segmentation": ["logits"],
        "detection": ["heatmap", "regression"],
    }
    assert outputs["detection"]["heatmap"].shape == (2, 4, 64, 64)
    assert outputs["detection"]["regression"].shape == (2, 10, 64, 64)
    assert outputs["segmentation"]["logits"].shape == (2, 13, 16, 24)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_bev_inputs_under_bfloat16_autocast_are_exactly_those_of_float32(fusion):
    model = network(small_config(fusion=fusion))
    batch = Batch.from_samples([sample(0), sample(1)])
    with torch.no_grad():
        _, image_maps = model.run_camera(batch)
        expected = model.bev_inputs(batch, image_maps)
        with torch.autocast("cpu", torch.bfloat16):
            found = model.bev_inputs(batch, image_maps)
    assert len(found) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("size", [(640, 400), (112, 80)])
def test_image_sizes_that_are_no_multiple_of_32_are_accepted(size):
    outputs = run(network(small_config(camera_encoder="efficientnet_lite0")), sample(size=size))
    assert outputs["segmentation"]["logits"].shape[2:] == (size[1] // 4, size[0] // 4)


@pytest.mark.parametrize(("encoder", "fusion"), PARTS)
def test_a_frame_without_an_image_has_its_lidar_only_outputs_in_a_batch(fusion, encoder):
    model = network(small_config(fusion=fusion, camera_encoder=encoder))
    together = run(model, sample(0), lidar_sample(1))["detection"]
    alone = run(model, lidar_sample(1))["detection"]
    for name in ("heatmap", "regression"):
        assert torch.allclose(together[name][1], alone[name][0], atol=1e-5)


@pytest.mark.parametrize("fusion", ["projective", "cross_attention"])
def test_another_image_changes_the_detections(fusion):
    model, here = network(small_config(fusion=fusion)), sample(0)
    other = replace(here, images=sample(1).images)
    assert (heatmap(model, here) - heatmap(model, other)).abs().max() > 1e-5


def test_without_fusion_the_image_changes_no_box():
    model, here = network(small_config(fusion="none")), sample(0)
    other = replace(here, images=sample(1).images)
    assert torch.equal(heatmap(model, here), heatmap(model, other))


@pytest.mark.parametrize(
    "fusion, finds_boxes",
    [
        ("projective", False),
        ("painted", False),
        ("cross_attention", True),
        ("semantic_cross_attention", True),
        ("none", False),
    ],
)
def test_the_camera_alone_segments_and_detects_only_if_the_fusion_can(fusion, finds_boxes):
    outputs = run(network(small_config(fusion=fusion)), camera_sample())
    assert "segmentation" in outputs
    assert ("detection" in outputs) == finds_boxes


def test_the_lidar_alone_segments_nothing():
    assert list(run(network(), lidar_sample())) == ["detection"]


def test_an_empty_cloud_gives_a_finite_heatmap():
    empty = sample().with_points(np.zeros((0, 4), np.float32), np.zeros(0, int))
    assert torch.isfinite(heatmap(network(), empty)).all()


def test_frames_of_a_batch_do_not_affect_each_other():
    model = network()
    both, one = heatmap(model, sample(0), sample(1)), heatmap(model, sample(0))
    assert torch.allclose(both[0], one[0], atol=1e-5)


def test_missing_images_do_not_update_batch_norm_statistics():
    model = network().train()
    model(Batch.from_samples([lidar_sample()]))
    assert model.camera.encoder.stem[1].num_batches_tracked == 0


@pytest.mark.parametrize("fusion", FUSIONS)
def test_weights_are_stored_once(fusion):
    state = network(small_config(fusion=fusion)).state_dict()
    pointers = [value.data_ptr() for value in state.values() if value.numel()]
    assert len(pointers) == len(set(pointers))


# Several cameras.

RIG = {"front": (96, 64), "right": (64, 64), "far_right": (96, 64)}


def test_each_image_of_a_rig_has_the_same_outputs_as_alone():
    model, seen = network(), rig_sample(RIG)
    together = run(model, seen)
    numbers = {name: n for n, (_, name) in enumerate(Batch.from_samples([seen]).image_keys)}
    for name in RIG:
        alone = run(model, seen.of_camera(name)).of_image("segmentation", 0)["logits"]
        found = together.of_image("segmentation", numbers[name])["logits"]
        assert torch.allclose(found, alone, atol=1e-5)


def test_outputs_of_images_of_different_sizes_are_not_mixed():
    outputs = run(network(), rig_sample(RIG))
    with pytest.raises(ValueError, match="one size"):
        outputs["segmentation"]
    assert outputs["detection"]["heatmap"].shape == (1, 4, 64, 64)


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["projective", "cross_attention"])
def test_every_camera_changes_the_detections(fusion):
    model, seen = network(small_config(fusion=fusion)), rig_sample(RIG)
    found = heatmap(model, seen)
    for name in RIG:
        rest = {other: image for other, image in seen.images.items() if other != name}
        assert (heatmap(model, replace(seen, images=rest)) - found).abs().max() > 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_frame_of_several_cameras_has_the_same_heatmap_in_a_batch_as_alone(fusion):
    model = network(small_config(fusion=fusion))
    rig = rig_sample({"front": (96, 64), "right": (96, 64)}, 3)
    samples = [sample(0), rig, lidar_sample(1), rig.of_camera("right")]
    together = heatmap(model, *samples)
    for index, each in enumerate(samples):
        assert torch.allclose(together[index], heatmap(model, each)[0], atol=1e-5), index


@pytest.mark.slow
@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_order_of_the_cameras_does_not_matter(fusion):
    model, seen = network(small_config(fusion=fusion)), rig_sample(RIG)
    turned = replace(seen, images=dict(reversed(seen.images.items())))
    assert torch.allclose(heatmap(model, seen), heatmap(model, turned), atol=1e-5)


# Any tasks and any label sets.


ONE_TASK = [(("segmentation",), fusion) for fusion in FUSIONS] + [
    (("detection",), fusion) for fusion in FUSIONS if fusion not in SEMANTIC
]


@pytest.mark.parametrize(("tasks", "fusion"), ONE_TASK)
def test_a_network_of_one_task_has_only_its_outputs(tasks, fusion):
    model = network(small_config(fusion=fusion, tasks=tasks))
    for samples in ([sample(0)], [sample(0), lidar_sample(1)], [sample(0), camera_sample(1)]):
        assert tuple(run(model, *samples)) == tasks
    assert [task.name for task in model.tasks] == list(tasks)


def test_a_task_without_its_sensor_has_no_outputs():
    assert list(run(network(small_config(tasks=("segmentation",))), lidar_sample())) == []
    assert list(run(network(small_config(tasks=("detection",))), camera_sample())) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"tasks": ("detection",), "fusion": "none"},
        # The fusion is there, but only tasks in the bird's-eye view use it.
        {"tasks": ("point_segmentation",), "point_encoder": "range_view"},
    ],
)
def test_a_network_whose_tasks_use_no_images_does_not_run_the_camera_encoder(settings):
    model = network(small_config(**settings)).train()
    model.run_camera(Batch.from_samples([sample(0)]))
    assert model.camera.encoder.stem[1].num_batches_tracked == 0


@pytest.mark.slow
def test_an_unused_camera_branch_is_not_compiled():
    config = small_config(fusion="none", tasks=("detection",))
    model = network(config)
    assert not model.uses_images
    predictor = Predictor(model, config, precision="fp32", num_threads=1)
    assert predictor.is_warm((96, 64))
    predictor.prepare((96, 64))
    assert predictor.predict_sample(sample()).boxes is not None


@pytest.mark.parametrize("tasks", [("detection", "segmentation"), ("segmentation", "detection")])
def test_the_order_of_the_tasks_does_not_mix_up_their_outputs(tasks):
    outputs = run(network(small_config(tasks=tasks)), sample())
    assert outputs["segmentation"]["logits"].shape == (1, 13, 16, 24)
    assert outputs["detection"]["heatmap"].shape == (1, 4, 64, 64)


def test_the_label_sets_determine_the_number_of_classes():
    labels = {"detection": "a2d2_boxes", "segmentation": "a2d2_38"}
    model = network(small_config(labels))
    outputs = run(model, sample())
    assert outputs["segmentation"]["logits"].shape[1] == 38
    assert outputs["detection"]["heatmap"].shape[1] == 14
    assert {task.name: task.labels.name for task in model.tasks} == labels


def test_the_label_sets_of_a_checkpoint_override_those_of_the_configuration():
    model = build_network(small_config(), {"segmentation": load_label_set("groups_6")})
    assert {task.name: task.labels.name for task in model.tasks} == {
        "detection": "boxes_4",
        "segmentation": "groups_6",
    }


def test_each_task_has_a_head_with_its_number_of_classes():
    model = network()
    for task in model.tasks:
        layer = getattr(model.head(task), model.head(task).class_layers[0])
        assert layer.out_channels == len(task.labels)


@pytest.mark.slow
def test_a_few_steps_overfit_two_frames():
    """Targets, losses, network and postprocess fit together: predictions become the labels."""
    grid = GridConfig(x_max=12.8, y_min=-6.4, y_max=6.4)
    config = small_config(
        neck_channels=16,
        head_channels=16,
        pillar_channels=16,
        bev_channels=(16, 24, 32),
        bev_blocks=(1, 1, 1),
    )
    config = replace(config, grid=grid)
    box = Boxes([[7.0, 2.1, 0.8]], [[4.0, 1.8, 1.5]], [2.0], [0], [1])
    mask = np.zeros((64, 96), np.uint8)
    mask[:32] = 8
    seen = []
    for each in (sample(3), sample(4)):
        inside = points_in_grid(each.points, grid)
        seen.append(each.with_points(each.points[inside], inside))
    # Five points, the minimum for a box that is not ignored.
    on_box = np.array([[7.0, 2.1, 0.8, 0.5]] * 5, np.float32)
    points = np.concatenate([seen[0].points, on_box])
    seen[0] = Sample.of(points, seen[0].image, seen[0].camera)
    examples = [
        Example(seen[0], {CAMERA: mask}, box),
        Example(seen[1], {}, Boxes.empty()),
    ]
    model = network(config).train()
    batch = Batch.from_samples(seen)
    targets = {
        task.name: task.collate([task.encode(example) for example in examples])
        for task in model.tasks
    }
    optimizer = torch.optim.AdamW(model.parameters(), 8e-3)
    for _ in range(60):
        outputs = model(batch)
        losses = {}
        for task in model.tasks:
            losses |= task.losses(outputs[task.name], targets[task.name])
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    with torch.inference_mode():
        outputs = model(batch)
    found = {}
    for task in model.tasks:
        for index, each in enumerate(seen):
            own = {name: part[index : index + 1] for name, part in outputs[task.name].items()}
            found[task.name, index] = task.postprocess(own, each)
    boxes = found["detection", 0]
    assert boxes.labels.tolist() == [0] and len(found["detection", 1]) == 0
    assert np.abs(boxes.centers - box.centers).max() < 0.4
    assert abs(boxes.yaws[0] - 2.0) < 0.3
    assert (found["segmentation", 0] == mask).mean() > 0.95


def test_the_grid_of_these_tests_has_the_expected_shape():
    assert GRID.shape == (128, 128) and GRID.output_shape == (64, 64)


def test_two_tasks_cannot_return_values_of_the_same_name():
    task = network().tasks[0]
    with pytest.raises(ValueError, match=rf"task {task.name}: another task has a value named 'a'"):
        merged({"a": 1}, {"a": 2}, task)
