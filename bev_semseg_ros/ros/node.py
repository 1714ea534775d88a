"""The perception node: points and image in, boxes and segmentation out. A lifecycle node that starts itself."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import cv2
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from bev_semseg_ros.data.calibration import YAML_NAME, Calibration, load_calibration
from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.inbox import Inbox
from bev_semseg_ros.ros.inputs import SILENCE, Input
from bev_semseg_ros.ros.intake import Intake
from bev_semseg_ros.ros.outputs import Outputs
from bev_semseg_ros.ros.parameters import NAMES, Parameters, declare, undeclared
from bev_semseg_ros.ros.pipeline import Pipeline
from bev_semseg_ros.ros.share import shipped_checkpoint
from bev_semseg_ros.ros.synchronizer import Synchronizer

FOLLOW_INTERVAL = 0.2  # seconds between looks at the publishers

EXIT_OK, EXIT_CONFIGURE_FAILED, EXIT_BAD_PARAMETERS, EXIT_DEVICE_FAILED = 0, 1, 2, 3
EXIT_CODES = {  # as `bev-semseg node --help` shows them
    EXIT_OK: "ended by SIGINT or SIGTERM",
    EXIT_CONFIGURE_FAILED: "could not configure or activate: a file or the device; the last line says why",
    EXIT_BAD_PARAMETERS: "a parameter or the parameter file is wrong: starting it again will not help",
    EXIT_DEVICE_FAILED: "the device failed while working (out of memory or lost): start it again"}


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
        self._outputs: Outputs | None = None
        self._inbox: Inbox | None = None
        self._pipeline: Pipeline | None = None
        self._clocks: list[Any] = []
        self._explained: tuple[int, Counter[str]] = (0, Counter())

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
        return (loaded.done() and bool(loaded.result())
                and self.trigger_activate() == TransitionCallbackReturn.SUCCESS)

    def _load(self, loaded: Future) -> None:
        success = False
        try:
            success = self.trigger_configure() == TransitionCallbackReturn.SUCCESS
        except RuntimeError as error:  # a signal took the context from the transition, or another one came first
            if self.context.ok():
                self.get_logger().error(f"configure failed: {error}")
        finally:
            loaded.set_result(success)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("activate", self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        failure = self._pipeline and self._pipeline.failure
        result = self._transition("deactivate", self._deactivate)
        if not failure:
            return result
        self.get_logger().error(f"the device failed: {failure}")
        self.failed = True
        return TransitionCallbackReturn.ERROR  # the error state, whose handler frees everything: `configure` may follow

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("cleanup", self._clean_up)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("shutdown", self.close)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("error handling", self.close)  # back to unconfigured, from where configure may be tried

    def _refuse_impossible_transitions(self) -> None:
        """rclpy lets the request of a transition that the state does not have end the process: answer "no" instead."""
        service = self._service_change_state
        change = service.callback

        def change_if_possible(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except RuntimeError as error:
                self.get_logger().error(f"transition {request.transition.label or request.transition.id} refused: "
                                        f"{str(error).splitlines()[0]}")
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
        from bev_semseg_ros.predictor import Predictor  # torch: only now, so that services answer early

        cv2.setNumThreads(1)  # its threads would take the cores from the network's
        parameters = self.parameters
        if not parameters.calibration:
            raise ValueError("parameter calibration is empty: name our YAML (an example is "
                             "config/calibration_example.yaml), A2D2's cams_lidars.json or a KITTI calib file")
        self._calibration = load_calibration(parameters.calibration)
        if self._calibration.camera is None and parameters.mode != "lidar_only":
            raise ValueError(f"{parameters.calibration}: no camera in it; add one or set mode to lidar_only")
        checkpoint = parameters.checkpoint or shipped_checkpoint()
        self._stop_if_shut_down()
        start = time.monotonic()
        self._predictor = Predictor.load(checkpoint, device=parameters.device, precision=parameters.precision,
                                         engine=parameters.engine, num_threads=parameters.num_threads or None)
        self._stop_if_shut_down()
        loaded = time.monotonic()
        sees = self._calibration.camera is not None and parameters.mode != "lidar_only"
        self._predictor.warm_up(self._calibration.camera.size if sees else None)
        self.get_logger().info(f"configured: {checkpoint} loaded in {loaded - start:.1f} s, warmed up in "
                               f"{time.monotonic() - loaded:.1f} s")
        self._outputs = Outputs(self, self._calibration.model_from_lidar, self._calibration.lidar_frame)
        gc.collect()
        gc.freeze()  # what was loaded stays: without this, looking through it costs a frame 0.1 s now and then

    def _stop_if_shut_down(self) -> None:
        if not self.context.ok():
            raise RuntimeError("shut down while loading")

    def _activate(self) -> None:
        parameters = self.parameters
        streams = {"fused": ("points", "image"), "lidar_only": ("points",), "camera_only": ("image",)}[parameters.mode]
        self._inbox = Inbox(Synchronizer(0, 0, streams=streams))
        self._tune()
        frame = self._calibration.lidar_frame if names_frames(parameters.calibration) else None
        self._pipeline = Pipeline(self, self._predictor, self._calibration, self._inbox, self._outputs, frame)
        self._pipeline.start()
        with_infos = parameters.intrinsics == "camera_info"
        intake = Intake(self._inbox, with_infos)
        kinds: dict[str, tuple[type, Callable[[Any], None]]] = {}
        if "image" in streams and with_infos:
            kinds["camera_info"] = CameraInfo, intake.take_camera_info  # first: to be taken before its image
        if "points" in streams:
            kinds["points"] = PointCloud2, intake.take_points
        if "image" in streams:
            kinds["image"] = Image, intake.take_image
        for topic, (kind, callback) in kinds.items():
            self.inputs[topic] = Input(self, kind, topic, parameters.reliability, self._guarded(callback),
                                       lasts=kind is CameraInfo)
        self._explained = 0, Counter()
        clock = Clock(clock_type=ClockType.STEADY_TIME)  # with use_sim_time the node's stands still without /clock
        self._clocks = [self.create_timer(FOLLOW_INTERVAL, self._guarded(self._follow), clock=clock),
                        self.create_timer(SILENCE, self._explain_silence, clock=clock)]
        topics = ", ".join(f"{name} on {source.topic}" for name, source in self.inputs.items())
        self.get_logger().info(f"READY: {self._predictor.description}; mode {parameters.mode}; {topics}")

    def _deactivate(self) -> None:
        for timer in self._clocks:
            self.destroy_timer(timer)
        for source in self.inputs.values():
            source.destroy()
        self._clocks, self.inputs = [], {}
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = self._inbox = None
            if self.context.ok():  # after SIGINT nothing can be published any more
                self._outputs.clear()

    def _clean_up(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        had_predictor = self._predictor is not None
        self._outputs = self._predictor = self._calibration = None
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
        """Stop and free everything, from any state; what is loading is waited for."""
        if self._loading is not None and self._loading is not threading.current_thread():
            self._loading.join()
        self._deactivate()
        self._clean_up()

    # --- in the executor's thread ------------------------------------------------------------------------------------

    def _guarded(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """`callback` for the executor, which an exception would end: it is counted and told, and gives None."""
        def call(*arguments: Any) -> Any:
            try:
                return callback(*arguments)
            except Exception as error:
                if self.context.ok():  # after a signal nothing can succeed, which is no error
                    self._inbox.drop("callback_error")
                    self._pipeline.tell("callback_error", f"an error of the node itself, please report it: "
                                        f"{type(error).__name__}: {error}")
                return None

        return call

    def _follow(self) -> None:
        if self._pipeline.failure:
            self.trigger_deactivate()
        for source in self.inputs.values():
            source.follow()

    def _explain_silence(self) -> None:
        """One line a second, at most, about what does not come and why."""
        published, dropped = self._pipeline.published, self._inbox.dropped()
        new, lost = published - self._explained[0], dropped - self._explained[1]
        self._explained = published, dropped
        reasons = self._guarded(self._reasons_for_silence)() or []
        reasons += self._pipeline.take_troubles()
        if not reasons and new == 0 and lost:
            reasons.append("messages are dropped: " + ", ".join(f"{count} {cause}" for cause, count in lost.items()))
        if reasons:
            self.get_logger().warning(f"{new or 'no'} results in the last second: {'; '.join(reasons)}")

    def _reasons_for_silence(self) -> list[str]:
        reasons = [reason for source in self.inputs.values() if (reason := source.explain())]
        if not reasons and self._inbox.is_unmatched:
            reasons.append(self._why_unmatched(self._inbox.miss))
        return reasons

    def _why_unmatched(self, miss: float | None) -> str:
        slop, max_wait = self.parameters.slop, self.parameters.max_wait
        if miss is not None and miss <= slop:
            return (f"image and cloud of a moment come more than max_wait ({max_wait:g} s) after each other: raise "
                    "max_wait")
        nearest = "" if miss is None else f"; the nearest misses by {miss:.3f} s"
        return f"no image within slop ({slop:g} s) of a cloud{nearest}: synchronise the sensors' clocks or raise slop"

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
        values = {change.name: change.value for change in changes if change.name in NAMES}  # not use_sim_time and such
        return self.parameters.changed(values, configured)

    def _tune(self) -> None:
        if self._inbox is not None:
            self._inbox.tune(self.parameters.slop, self.parameters.max_wait, self.parameters.unmatched == "process")


def names_frames(calibration: str) -> bool:
    """True if the calibration file, or the one in this folder, is our YAML: the only format with frame_ids."""
    path = Path(calibration)
    return path.suffix in (".yaml", ".yml") or (path / YAML_NAME).is_file()


def main(args: list[str] | None = None) -> NoReturn:
    """The process of a node: `run`, then out at once. All is freed then, and unloading torch takes another second."""
    code = run(args)
    gc.collect()  # of the node and what it holds, and then of the context, or its shared memory stays
    rclpy.get_default_context().destroy()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM, without a manager also until the device fails. Returns an exit code."""
    # Threads that spin between layers would take the cores from DDS and from the drivers. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    use_shared_memory_profile()
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # such as a params file that is missing or no YAML
        print(f"perception: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_PARAMETERS
    node = None
    executor = SingleThreadedExecutor()
    try:
        node = Perception()
        executor.add_node(node)
        if not node.parameters.autostart:
            node.get_logger().info("waiting for a lifecycle manager (autostart is false)")
            executor.spin()
        elif not node.start(executor):
            return EXIT_CONFIGURE_FAILED if rclpy.ok() else EXIT_OK
        else:
            while rclpy.ok() and not node.failed:  # spin_until_future_complete keeps a callback for every message
                executor.spin_once()
            return EXIT_DEVICE_FAILED if node.failed else EXIT_OK
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, ParameterException) as error:
        if node is not None:
            raise
        print(f"perception: {error}", file=sys.stderr)
        return EXIT_BAD_PARAMETERS
    except RuntimeError:
        if rclpy.ok():
            raise
        # Otherwise a signal took the context from what was at hand, such as a transition that wants to be announced.
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal and a launch both send one: the second must not
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # break what follows, and whoever loses patience may end it
        executor.shutdown()
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return EXIT_OK


if __name__ == "__main__":
    main()
