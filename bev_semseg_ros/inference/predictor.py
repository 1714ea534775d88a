"""The predictor, which turns a `Frame` into a `Prediction`, both offline and on the vehicle."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bev_semseg_ros.bev_lifting import lift
from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import MODES, BevMap, Frame, Mode, Prediction
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.around import check_tasks, looks_around, pass_config, whole_config
from bev_semseg_ros.inference.choices import choose_device, choose_engine, choose_precision
from bev_semseg_ros.inference.compilation import compile_network
from bev_semseg_ros.inference.engine import CompiledByShape, cache_folder, torch_threads
from bev_semseg_ros.inference.warm_up import warm_up_samples
from bev_semseg_ros.input_check import warn_of_raw_intensities
from bev_semseg_ros.labels import DEFAULT_BEV_LABELS, LabelSet, load_label_set
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.network import Network, NetworkOutputs, TaskOutputs
from bev_semseg_ros.model.tasks.bev_segmentation.refinement import refine_learned, refine_lifted
from bev_semseg_ros.model.tasks.task import Task
from bev_semseg_ros.preprocessing import Sample, network_size, prepare
from bev_semseg_ros.resources import shipped_checkpoint


class Predictor:
    """A network that is ready to run. If several threads call it, it predicts one after the other.

    The torch engine's OpenMP threads busy-wait and slow down other processes: set
    OMP_WAIT_POLICY=PASSIVE before torch is imported. OpenVINO has its own threads, which do not.

    Attributes:
        config: Configuration stored in the checkpoint.
        info: Metadata stored in the checkpoint.
        tasks: Tasks of the network.
        label_sets: task -> its label set, for the tasks that have classes.
        uses_images: True if the network uses images.
        finds_boxes_in_images: True if BEV tasks have results without a cloud.
        point_attributes: names of `frame.POINT_ATTRIBUTES` that the lidar encoder needs.
        whole_clouds: True if the network also uses points outside the grid, see
            `preprocessing.prepare`.
        device: device that the network runs on.
        precision: fp32, bf16 or fp16.
        engine: torch or openvino.
        description: device, precision, engine and threads in one line.
    """

    def __init__(
        self,
        network: Network,
        config: Config,
        *,
        info: dict[str, Any] | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        engine: str = "auto",
        num_threads: int | None = None,
        cache: Path | None = None,
        grid: str = "forward",
    ) -> None:
        """Copy a network and prepare the copy for inference.

        Args:
            network: network to copy.
            config: configuration of the network.
            info: `info` of its checkpoint.
            device: see `choose_device`.
            precision: see `choose_precision`.
            engine: see `choose_engine`.
            num_threads: number of threads on a CPU; None: as many as cores.
            cache: folder for what an engine converts; None stores nothing.
            grid: one of `config.GRIDS`. For "around", the network must be built for
                `pass_config(config)`.

        Raises:
            ValueError: a choice that is unknown or not available on this machine.
        """
        self._looks_around = looks_around(grid)
        self.config = whole_config(config) if self._looks_around else config
        self.info = info or {}
        self.tasks: list[Task] = network.tasks
        if self._looks_around:
            check_tasks(network.tasks)
            # The tasks of the network have the grid of one pass, these the whole grid.
            self.tasks = [type(task)(self.config, task.labels) for task in network.tasks]
            self._pass_grid = pass_config(config).grid
        self.label_sets: dict[str, LabelSet] = {
            task.name: task.labels for task in network.tasks if task.labels is not None
        }
        self.uses_images = network.uses_images
        self.finds_boxes_in_images = network.fusion.finds_boxes_in_images
        self._bev_sees_images = network.bev.fusion is not None
        self.point_attributes = network.lidar_encoder.attributes
        self.whole_clouds = network.point_encoder.whole_clouds
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.engine = choose_engine(engine, self.device)
        if num_threads is not None and num_threads < 1:
            raise ValueError(f"num_threads: expected at least 1, got {num_threads}")
        threads = num_threads or len(os.sched_getaffinity(0))
        self._network = copy.deepcopy(network).eval().requires_grad_(False).to(self.device)
        compile_network(self._network, self.device, self.precision, self.engine, threads, cache)
        self._lock = threading.Lock()  # compiled parts have one set of buffers
        self.description = (
            f"device {self.device}, precision {self.precision}, engine {self.engine}, "
            f"threads {threads}"
        )

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        engine: str = "auto",
        num_threads: int | None = None,
        grid: str = "forward",
    ) -> Predictor:
        """Load a predictor from a checkpoint.

        Args:
            path: path of the checkpoint; None: the shipped one.
            device: see `choose_device`.
            precision: see `choose_precision`.
            engine: see `choose_engine`.
            num_threads: number of threads on a CPU; None: as many as cores.
            grid: "forward", or "around" to also look behind, see `inference/around.py`.

        Raises:
            FileNotFoundError: no such file.
            ValueError: one line that names the file or the choice that is wrong.
        """
        path = shipped_checkpoint() if path is None else path
        loaded = checkpoint.load(path)
        network = loaded.build(pass_config(loaded.config) if looks_around(grid) else None)
        return cls(
            network,
            loaded.config,
            info=loaded.info,
            device=device,
            precision=precision,
            engine=engine,
            num_threads=num_threads,
            cache=cache_folder(path, network),
            grid=grid,
        )

    @classmethod
    def from_network(
        cls,
        network: Network,
        config: Config,
        device: str | torch.device = "auto",
        precision: str = "fp32",
    ) -> Predictor:
        """Return a predictor with a snapshot of the weights, for evaluation during training."""
        return cls(network, config, device=device, precision=precision, engine="torch")

    def warm_up(self, camera_sizes: Iterable[tuple[int, int]] = ()) -> None:
        """Compile the network and run it once.

        Args:
            camera_sizes: (width, height) of each camera's images as recorded, in the order of the
                cameras; empty: for the lidar alone.
        """
        for sample in warm_up_samples(camera_sizes, self.config, self._bev_sees_images):
            for _ in range(2):  # torch optimises traced code in its second run
                self.predict_sample(sample)
        dense = self._network.point_encoder.dense
        if isinstance(dense, CompiledByShape):
            with torch.inference_mode(), torch_threads(1):
                for image in self._network.point_encoder.example_inputs():
                    if not dense.holds(image.shape):
                        dense.prepare(image)

    def is_warm(self, camera_size: tuple[int, int]) -> bool:
        """Return True if the camera branch is compiled for images of a camera.

        If the fusion has a BEV part, the BEV branch may still have to be compiled.

        Args:
            camera_size: (width, height) of the images as recorded.
        """
        width, height = network_size(camera_size, self.config.image)
        camera: nn.Module = self._network.camera
        return not isinstance(camera, CompiledByShape) or camera.holds((1, height, width, 3))

    def prepare(self, camera_size: tuple[int, int]) -> None:
        """Compile the camera branch for images of a camera, so that `is_warm` becomes True.

        This takes seconds. Other threads may predict meanwhile.

        Args:
            camera_size: (width, height) of the images as recorded.
        """
        width, height = network_size(camera_size, self.config.image)
        camera: nn.Module = self._network.camera
        if isinstance(camera, CompiledByShape):
            with torch.inference_mode(), torch_threads(1):
                camera.prepare(torch.zeros((1, height, width, 3), dtype=torch.uint8))

    def effective_mode(self, mode: Mode) -> Mode:
        """Return `mode`, but "lidar_only" for "fused" if nothing in the network uses images."""
        return "lidar_only" if mode == "fused" and not self.uses_images else mode

    def predict(
        self, frame: Frame, mode: Mode = "fused", score_threshold: float | None = None
    ) -> Prediction:
        """Run the network on a frame, see `predict_sample`.

        Warns if the intensities of a lidar are far above 1.
        """
        if mode == "lidar_only":
            frame = frame.without_images()  # do not rectify them in vain
        for name, scan in frame.lidars.items():
            if scan.points is not None:
                warn_of_raw_intensities(name, scan.points[:, 3])
        sample = prepare(frame, self.config, self.whole_clouds)
        return self.predict_sample(sample, mode, score_threshold)

    def predict_sample(
        self, sample: Sample, mode: Mode = "fused", score_threshold: float | None = None
    ) -> Prediction:
        """Run the network on a prepared frame.

        In the mode `fused`, the network also runs if a sensor is missing. `Prediction.mode` says
        which sensors were used.

        Args:
            sample: result of `preprocessing.prepare`.
            mode: the sensors to use.
            score_threshold: lowest score of a box, 0 to 1; None: the configuration's.

        Raises:
            ValueError: an unknown mode, one for which the sample has no data, or a threshold that
                is not between 0 and 1.
        """
        if mode not in MODES:
            raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
        if score_threshold is not None and not 0 <= score_threshold <= 1:
            raise ValueError(f"score threshold: expected 0 to 1, got {score_threshold:g}")
        if mode == "camera_only":
            sample = sample.without_points()
        if mode == "lidar_only":
            sample = sample.without_images()
        if sample.points is None and not sample.images:
            raise ValueError(f"mode {mode}: the frame has no {_INPUTS[mode]}")
        batch = Batch.from_samples([sample], self.point_attributes, self.whole_clouds)
        batch = batch.to(self.device)
        numbers = {name: number for number, (_, name) in enumerate(batch.image_keys)}
        with self._lock, torch.inference_mode(), torch_threads(1):
            self._synchronize()
            start = time.perf_counter()
            images, image_maps = self._network.run_camera(batch)
            outputs = NetworkOutputs(images=images)
            results: dict[str, Any] = {
                task.name: {
                    name: task.postprocess(
                        outputs.of_image(task.name, numbers[name]),
                        sample.of_camera(name),
                        score_threshold,
                    )
                    for name in sample.images
                }
                for task in self._network.tasks
                if task.view == "image" and task.name in outputs
            }
            batch, of_points = self._network.run_points(batch)
            results |= self._postprocess(of_points, sample, score_threshold)
            results |= self._look(batch, image_maps, sample, score_threshold)
            self._synchronize()
            elapsed = (time.perf_counter() - start) * 1e3
        boxes, masks = results.pop("detection", None), results.pop("segmentation", {})
        cameras = {name: seen.camera for name, seen in sample.images.items()}
        return Prediction(boxes, masks, cameras, _ran(sample), elapsed, results, self.label_sets)

    def _look(
        self,
        batch: Batch,
        image_maps: Sequence[Tensor],
        sample: Sample,
        score_threshold: float | None,
    ) -> dict[str, Any]:
        """Return the results of the BEV tasks by name, from one pass or two."""
        if not self._looks_around:
            return self._one_pass(batch, image_maps, sample, score_threshold)
        ahead, behind = (
            self._one_pass(each.inside(self._pass_grid), image_maps, sample, score_threshold)
            for each in (batch, batch.turned())
        )
        return {
            task.name: task.join(ahead[task.name], behind[task.name])
            for task in self.tasks
            if task.name in ahead
        }

    def _one_pass(
        self,
        batch: Batch,
        image_maps: Sequence[Tensor],
        sample: Sample,
        score_threshold: float | None,
    ) -> dict[str, Any]:
        outputs = self._network.run_bev(batch, image_maps)
        return self._postprocess(outputs, sample, score_threshold)

    def _postprocess(
        self, outputs: TaskOutputs, sample: Sample, score_threshold: float | None
    ) -> dict[str, Any]:
        """Return the results of the tasks that have outputs for a frame, by name."""
        return {
            task.name: task.postprocess(outputs[task.name], sample, score_threshold)
            for task in self._network.tasks
            if task.name in outputs
        }

    @property
    def bev_labels(self) -> LabelSet | None:
        """Label set of the result of `bev_map`, None if the network cannot give one.

        It is that of the task `bev_segmentation`, or the default one if the masks map to it.
        """
        masks, default = self.label_sets.get("segmentation"), load_label_set(DEFAULT_BEV_LABELS)
        lifted = default if masks is not None and masks.maps_to(default) else None
        return self.label_sets.get("bev_segmentation", lifted)

    @property
    def output_labels(self) -> dict[str, LabelSet]:
        """Task -> label set of its results, including that of `bev_map`."""
        bev = {} if self.bev_labels is None else {"bev_segmentation": self.bev_labels}
        return self.label_sets | bev

    def bev_map(self, seen: Frame | Sample, prediction: Prediction) -> BevMap | None:
        """Return the classes in the bird's-eye view, as the node publishes them.

        The map is the result of the task `bev_segmentation`; cells below the confidence
        `postprocess.bev_confidence` are unknown. If the network does not have this task, its masks
        are lifted. Both maps are refined by the boxes of the prediction, see
        `bev_segmentation/refinement.py`.

        Args:
            seen: frame or sample that the network predicted.
            prediction: prediction for it.

        Returns:
            The map; None without points, or if the network gives none.
        """
        if self.bev_labels is None:
            return None
        if isinstance(seen, Frame):
            sample = prepare(seen.without_images(), self.config)
        else:
            sample = seen.within(self.config.grid)
        grid = self.config.grid
        lifted = lift(sample.points, prediction, grid, self.bev_labels, sample.main_origin)
        learned = prediction.results.get("bev_segmentation")
        if learned is not None:
            refined = refine_learned(learned, lifted, prediction)
            return refined.above(self.config.postprocess.bev_confidence)
        return None if lifted is None else refine_lifted(lifted, prediction)

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


# The data that a mode uses, for the message that they are missing.
_INPUTS = {"fused": "points and no image", "lidar_only": "points", "camera_only": "image"}


def _ran(sample: Sample) -> Mode:
    """Return the mode that a sample's inputs correspond to."""
    if sample.points is None:
        return "camera_only"
    return "fused" if sample.images else "lidar_only"
