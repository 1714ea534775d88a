"""The perception node: points and image in, boxes and segmentation out. A lifecycle node that starts itself."""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.task import Future

from bev_semseg_ros.data.calibration import YAML_NAME, Calibration, load_calibration
from bev_semseg_ros.resources import shipped_checkpoint
from bev_semseg_ros.ros.convert.camera_info import shows_rectified
from bev_semseg_ros.ros.health.diagnostics import ERROR, OK
from bev_semseg_ros.ros.health.explanations import own_error
from bev_semseg_ros.ros.health.reporter import Reporter
from bev_semseg_ros.ros.input.camera_info_matcher import Intake
from bev_semseg_ros.ros.input.extrinsics import Extrinsics, open_extrinsics
from bev_semseg_ros.ros.input.latest_pair_queue import Inbox
from bev_semseg_ros.ros.input.subscriptions import SILENCE, Input, open_inputs
from bev_semseg_ros.ros.input.synchronizer import Synchronizer
from bev_semseg_ros.ros.node.parameters import NAMES, Parameters, declare, undeclared
from bev_semseg_ros.ros.node.pipeline import NO_BOXES, Pipeline
from bev_semseg_ros.ros.node.publishers import Outputs

FOLLOW_INTERVAL = 0.2  # seconds between looks at the publishers
LOADING_GRACE = (
    1.0  # seconds that the end waits for what loads: libraries and compilers cannot be interrupted
)


class Perception(LifecycleNode):
    """configure loads and warms up, activate subscribes and works, deactivate stops, cleanup frees the memory.

    The executor's thread only moves messages into the inbox; decoding, the network and publishing happen in the
    pipeline's thread. `inputs`: while the node is active, by the names of its topics (points, image, camera_info).
    `failed`: True once the device has failed; the node is unconfigured then.
    """

    def __init__(self) -> None:
        super().__init__("perception")
        self.parameters: Parameters = declare(self)
        if unknown := undeclared(self):
            self.get_logger().warning(f"unknown parameters are ignored: {unknown}")
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        self._refuse_impossible_transitions()
        self.inputs: dict[str, Input] = {}
        self.failed = False
        self._loading: threading.Thread | None = None
        self._is_configured = False  # or about to be
        self._predictor: Any = None
        self._calibration: Calibration | None = None
        self._extrinsics: Extrinsics | None = None
        self._outputs: Outputs | None = None
        self._inbox: Inbox | None = None
        self._intake: Intake | None = None
        self._pipeline: Pipeline | None = None
        self._clocks: list[Any] = []

    # --- transitions -----------------------------------------------------------------------------------------------

    def start(self, executor: Executor) -> bool:
        """Configure and activate without a lifecycle manager. False if one of them failed (and said why).

        To be called by the thread that is going to spin `executor`, to which the node was added. Loading takes seconds
        and has a thread of its own: meanwhile services answer and signals are heard.
        """
        loaded = Future()
        self._loading = threading.Thread(target=self._load, args=(loaded,), name="configure")
        self._loading.start()
        executor.spin_until_future_complete(loaded)
        return (
            loaded.done()
            and bool(loaded.result())
            and self.trigger_activate() == TransitionCallbackReturn.SUCCESS
        )

    def _load(self, loaded: Future) -> None:
        success = False
        try:
            success = self.trigger_configure() == TransitionCallbackReturn.SUCCESS
        except (
            RuntimeError
        ) as error:  # a signal took the context from the transition, or another one came first
            if self.context.ok():
                self.get_logger().error(f"configure failed: {error}")
        finally:
            loaded.set_result(success)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("activate", self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        pipeline = self._pipeline
        result = self._transition("deactivate", self._deactivate)
        if (
            pipeline is None or not pipeline.failure
        ):  # known only now: the frame at hand was waited for
            return result
        self.get_logger().error(f"the device failed: {pipeline.failure}")
        self.failed = True
        return (
            TransitionCallbackReturn.ERROR
        )  # the error state, whose handler frees everything: `configure` may follow

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("cleanup", self._clean_up)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("shutdown", self.close)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition(
            "error handling", self.close
        )  # back to unconfigured, from where configure may be tried

    def _refuse_impossible_transitions(self) -> None:
        """rclpy lets the request of a transition that the state does not have end the process: answer "no" instead."""
        service = self._service_change_state
        change = service.callback

        def change_if_possible(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except RuntimeError as error:
                self.get_logger().error(
                    f"transition {request.transition.label or request.transition.id} refused: "
                    f"{str(error).splitlines()[0]}"
                )
                response.success = False
                return response

        service.callback = change_if_possible

    def _transition(self, name: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
        except Exception as error:  # rclpy would swallow it without a word
            reason = " ".join(str(error).split()) or type(error).__name__
            if self.context.ok():  # after a signal nothing can succeed, which is no error
                self.get_logger().error(f"{name} failed: {reason}")
            if name in ("configure", "activate"):
                self._undo(name)
                return TransitionCallbackReturn.FAILURE
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _undo(self, name: str) -> None:
        self._deactivate()
        if name == "configure":
            self._clean_up()

    def _configure(self) -> None:
        self._is_configured = True
        from bev_semseg_ros.inference.predictor import (
            Predictor,  # torch: only now, so that services answer early
        )

        cv2.setNumThreads(1)  # its threads would take the cores from the network's
        parameters = self.parameters
        self._calibration = (
            load_calibration(parameters.calibration) if parameters.calibration else None
        )
        camera = (
            self._calibration.camera
            if self._calibration and parameters.mode != "lidar_only"
            else None
        )
        self._extrinsics = open_extrinsics(
            self, parameters, self._calibration, names_frames(parameters.calibration)
        )
        if (
            camera is None
            and parameters.mode != "lidar_only"
            and parameters.intrinsics == "calibration"
        ):
            raise ValueError(
                "intrinsics is calibration and no calibration file has a camera: name one with the "
                "parameter calibration, or set intrinsics to camera_info"
            )
        checkpoint = parameters.checkpoint or shipped_checkpoint()
        self._stop_if_shut_down()
        start = time.monotonic()
        self._predictor = Predictor.load(
            checkpoint,
            device=parameters.device,
            precision=parameters.precision,
            engine=parameters.engine,
            num_threads=parameters.num_threads or None,
        )
        self._stop_if_shut_down()
        loaded = time.monotonic()
        self._predictor.warm_up(camera.size if camera else None)
        self.get_logger().info(
            f"configured: {checkpoint} loaded in {loaded - start:.1f} s, warmed up in "
            f"{time.monotonic() - loaded:.1f} s"
        )
        self._outputs = Outputs(self)
        gc.collect()
        gc.freeze()  # what was loaded stays: without this, looking through it costs a frame 0.1 s now and then

    def _stop_if_shut_down(self) -> None:
        if not self.context.ok():
            raise RuntimeError("shut down while loading")

    def _activate(self) -> None:
        parameters = self.parameters
        streams = {
            "fused": ("points", "image"),
            "lidar_only": ("points",),
            "camera_only": ("image",),
        }[parameters.mode]
        self._inbox = Inbox(Synchronizer(0, 0, streams=streams))
        is_named = parameters.extrinsics == "calibration" and names_frames(parameters.calibration)
        self._pipeline = Pipeline(
            self,
            self._predictor,
            self._extrinsics,
            self._inbox,
            self._outputs,
            camera=self._calibration.camera if self._calibration else None,
            is_rectified=shows_rectified(parameters.rectified, self.resolve_topic_name("image")),
            lidar_frame=self._calibration.lidar_frame if is_named else None,
        )
        self._pipeline.start()
        self._intake = Intake(
            self._inbox,
            parameters.intrinsics == "camera_info",
            self._pipeline.tell,
            lambda: self.get_clock().now().nanoseconds,
        )
        self._tune()
        self.inputs = open_inputs(self, parameters, streams, self._intake, self._guarded)
        reporter = Reporter(
            self, self._predictor, self._pipeline, self._inbox, self.inputs, self._outputs
        )
        clock = Clock(
            clock_type=ClockType.STEADY_TIME
        )  # with use_sim_time the node's stands still without /clock
        self._clocks = [
            self.create_timer(interval, self._guarded(look, takes_message=False), clock=clock)
            for interval, look in ((FOLLOW_INTERVAL, self._follow), (SILENCE, reporter.report))
        ]
        topics = ", ".join(f"{name} on {source.topic}" for name, source in self.inputs.items())
        absent = f"; without {', '.join(self._outputs.absent)}: vision_msgs is not installed"
        blind = (
            parameters.mode == "camera_only"
            and not self._predictor.config.model.finds_boxes_in_images
        )
        self.get_logger().info(
            f"READY: {self._predictor.description}; mode {parameters.mode}; {topics}"
            f"{absent if self._outputs.absent else ''}{f'; {NO_BOXES}' if blind else ''}"
        )

    def _deactivate(self) -> None:
        for timer in self._clocks:
            self.destroy_timer(timer)
        for source in self.inputs.values():
            source.destroy()
        self._clocks, self.inputs = [], {}
        if self._pipeline is not None:
            self._pipeline.close()
            failure = self._pipeline.failure
            self._pipeline = self._inbox = self._intake = None
            if self.context.ok():  # after SIGINT nothing can be published any more
                level, message = (
                    (ERROR, f"the device failed: {failure}") if failure else (OK, "inactive")
                )
                self._outputs.publish_diagnostics(level, message, {}, str(self._predictor.device))
                self._outputs.clear()

    def _clean_up(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        if self._extrinsics is not None:
            self._extrinsics.close()
        had_predictor = self._predictor is not None
        self._outputs = self._predictor = self._calibration = self._extrinsics = None
        self._is_configured = False
        if had_predictor:
            gc.unfreeze()
            gc.collect()
            with suppress(OSError, AttributeError):  # of a C library that is not glibc
                ctypes.CDLL(None).malloc_trim(0)  # glibc would keep what was freed
            import torch

            if torch.cuda.is_available():
                with suppress(RuntimeError):  # a lost device
                    torch.cuda.empty_cache()

    def close(self) -> None:
        """Stop and free everything, from any state. What is still loading is left to the end of the process."""
        if self._loading is not None and self._loading is not threading.current_thread():
            self._loading.join(LOADING_GRACE)
            if self._loading.is_alive():
                return
        self._deactivate()
        self._clean_up()

    # --- in the executor's thread ------------------------------------------------------------------------------------

    def _guarded(
        self, callback: Callable[..., Any], takes_message: bool = True
    ) -> Callable[..., Any]:
        """`callback` for the executor, which an exception would end: it is told, and counted if it cost a message."""

        def call(*arguments: Any) -> Any:
            try:
                return callback(*arguments)
            except Exception as error:
                if self.context.ok():  # after a signal nothing can succeed, which is no error
                    if takes_message:
                        self._inbox.drop("callback_error")
                    self._pipeline.tell("callback_error", own_error(error))
                return None

        return call

    def _follow(self) -> None:
        if self._pipeline.failure:
            self.trigger_deactivate()
        for source in self.inputs.values():
            source.follow()

    # --- parameters --------------------------------------------------------------------------------------------------

    def _check_parameters(self, changes: list[Any]) -> SetParametersResult:
        try:
            self._changed(changes, self._is_configured)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take_parameters(self, changes: list[Any]) -> None:
        self.parameters = self._changed(changes, configured=False)  # they were checked
        self._tune()

    def _changed(self, changes: list[Any], configured: bool) -> Parameters:
        values = {
            change.name: change.value for change in changes if change.name in NAMES
        }  # not use_sim_time and such
        return self.parameters.changed(values, configured)

    def _tune(self) -> None:
        if self._inbox is not None:
            self._inbox.tune(
                self.parameters.slop,
                self.parameters.max_wait,
                self.parameters.unmatched == "process",
            )
            self._outputs.publish_label_info(self.parameters)
        if self._intake is not None:
            self._intake.tune(self.parameters.points_offset, self.parameters.image_offset)


def names_frames(calibration: str) -> bool:
    """True if the calibration file, or the one in this folder, is our YAML: the only format with frame_ids."""
    path = Path(calibration)
    return path.suffix in (".yaml", ".yml") or (path / YAML_NAME).is_file()
