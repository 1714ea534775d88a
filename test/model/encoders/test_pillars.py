import torch

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.encoders.pillars import PillarEncoder
from bev_semseg_ros.preprocessing import Sample

GRID = GridConfig(x_max=6.4, y_min=-3.2, y_max=3.2)  # 32 x 32 pillars


def encoder(extra=0):
    torch.manual_seed(0)
    return PillarEncoder(GRID, extra, 8).eval()


def batch_of(points, frames=None, count=1):
    """Return `count` frames without images; `frames` is the frame of each point, by default 0."""
    points = torch.tensor(points, dtype=torch.float32).reshape(-1, 4)
    frames = torch.zeros(len(points), dtype=torch.int64) if frames is None else torch.tensor(frames)
    of_frames = [points[frames == frame].numpy() for frame in range(count)]
    return Batch.from_samples([Sample.of(cloud) for cloud in of_frames])


def run(module, points, frames=None, count=1, extra=None):
    with torch.inference_mode():
        return module(batch_of(points, frames, count), extra)


def occupied(canvas):
    return torch.nonzero(canvas.abs().sum(-1)).tolist()


def test_one_point_occupies_its_own_pillar_and_no_other():
    assert occupied(run(encoder(), [[1.05, 0.7, 0.5, 0.3]])) == [[0, 5, 19]]


def test_an_empty_cloud_gives_an_empty_canvas():
    canvas = run(encoder(), [], count=2)
    assert canvas.shape == (2, 32, 32, 8) and not canvas.any()


def test_points_land_in_the_canvas_of_their_frame():
    canvas = run(encoder(), [[1.05, 0.7, 0.5, 0.3], [3.1, -1.1, 0.5, 0.3]], [1, 0], count=2)
    assert occupied(canvas) == [[0, 15, 10], [1, 5, 19]]


def test_a_point_on_the_far_edge_in_float32_stays_inside():
    assert occupied(run(encoder(), [[6.3999996, 3.1999998, 0.5, 0.3]])) == [[0, 31, 31]]


def test_a_pillar_keeps_the_maximum_over_its_points():
    module = encoder()
    points = torch.tensor([[1.05, 0.7, 0.2, 0.3], [1.10, 0.65, 1.5, 0.9], [1.15, 0.75, -1.0, 0.1]])
    seen = []
    module.norm.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    canvas = run(module, points.tolist())
    assert torch.equal(canvas[0, 5, 19], torch.relu(seen[0]).max(0).values)


def test_the_order_of_the_points_does_not_matter():
    points = torch.rand(500, 4) * torch.tensor([6.4, 6.4, 2.0, 1.0]) - torch.tensor([0, 3.2, 0, 0])
    there, back = run(encoder(), points.tolist()), run(encoder(), points.flip(0).tolist())
    assert torch.allclose(there, back, atol=1e-5)


def test_the_canvas_passes_gradients_to_the_weights():
    module = encoder().train()
    module(batch_of(torch.rand(50, 4).tolist()), None).sum().backward()
    assert module.linear.weight.grad.abs().sum() > 0


def test_fusion_features_change_the_output_of_a_pillar():
    module, point = encoder(3), [[1.05, 0.7, 0.5, 0.3]]
    plain, told = (run(module, point, extra=torch.full((1, 3), value)) for value in (0.0, 5.0))
    assert occupied(told) == [[0, 5, 19]] and not torch.equal(plain, told)


def test_a_linear_layer_trained_without_fusion_gets_new_inputs_of_weight_zero():
    module, value = encoder(3), encoder(0).linear.weight.detach()
    fitted = module.fit_weight("linear.weight", value)
    assert torch.equal(fitted[:, :10], value) and not fitted[:, 10:].any()
    assert fitted.shape == module.linear.weight.shape


def test_a_linear_layer_trained_with_other_features_keeps_its_geometry_weights():
    value = encoder(17).linear.weight.detach()
    for channels in (0, 3):
        fitted = encoder(channels).fit_weight("linear.weight", value)
        assert torch.equal(fitted[:, :10], value[:, :10]) and not fitted[:, 10:].any()
        assert fitted.shape == (8, 10 + channels)


def test_weights_of_other_widths_are_not_fitted():
    module = encoder(3)
    assert module.fit_weight("linear.weight", torch.zeros(16, 10)) is None
    assert module.fit_weight("norm.weight", torch.zeros(8, 10)) is None
