"""The perception node: a lifecycle node that configures and activates itself by default."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.task import Future

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.resources import shipped_checkpoint
from bev_semseg_ros.ros.health.diagnostics import ERROR, OK
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.ego_motion import open_motion
from bev_semseg_ros.ros.input.extrinsics import open_extrinsics
from bev_semseg_ros.ros.node.calibration import (
    calibrated_frame_ids,
    known_cameras,
    names_frames,
)
from bev_semseg_ros.ros.node.publishers import DETECTION, Publishers
from bev_semseg_ros.ros.node.session import Configuration, Session
from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.declaration import (
    choose_by_class,
    declare,
    declare_by_class,
    explain_unknown,
    undeclare_by_class,
    unknown_parameters,
)
from bev_semseg_ros.ros.parameters.locked_parameters import LockedParametersNode
from bev_semseg_ros.ros.parameters.parameters import Parameters

if TYPE_CHECKING:
    from bev_semseg_ros.inference.predictor import Predictor

# Longest time that shutdown waits for a pending configuration, seconds. Libraries and compilers
# cannot be interrupted.
SHUTDOWN_GRACE = 1.0


class Perception(LockedParametersNode):
    """The perception node.

    configure loads and warms up the network, activate subscribes and starts inference, deactivate
    stops both, and cleanup frees the memory.

    Attributes:
        parameters: The current parameters.
        health: Counters and warnings of the node.
        session: The subscriptions and threads; None unless the node is active.
        failed: True once the device has failed. The node is then unconfigured.
        has_bad_parameters: True if configure failed because of a class parameter, or because the
            mode does not suit the network.
    """

    parameters = Parameters()  # until they are declared

    def __init__(self) -> None:
        """Declare the parameters.

        Raises:
            ValueError: If a parameter is wrong; the message names it.
        """
        super().__init__("perception")
        self.parameters = declare(self)
        if unknown := unknown_parameters(self, self.parameters):
            self.get_logger().warning(f"unknown parameters are ignored: {unknown}")
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        self._refuse_impossible_transitions()
        self.health = Health()
        self.session: Session | None = None
        self.failed = False
        self.has_bad_parameters = False
        self._configuration: Configuration | None = None
        self._loading: threading.Thread | None = None
        self._is_configured = False  # from the start of configure until cleanup
        self._class_values: dict[str, tuple[Any, ...]] = {}  # values set while configured

    # --- transitions ------------------------------------------------------------------------------

    def start(self, executor: Executor) -> bool:
        """Configure and activate without a lifecycle manager.

        Loading takes seconds and runs in a separate thread, so that the node meanwhile answers
        services and handles signals.

        Args:
            executor: The executor of the node. The calling thread spins it.

        Returns:
            False if a transition failed (the log has the reason) or the context was shut down.
        """
        loaded = Future()
        self._loading = threading.Thread(target=self._load, args=(loaded,), name="configure")
        self._loading.start()
        executor.spin_until_future_complete(loaded)
        if not loaded.done() or not loaded.result():
            return False
        return self.trigger_activate() == TransitionCallbackReturn.SUCCESS

    def _load(self, loaded: Future) -> None:
        success = False
        try:
            success = self.trigger_configure() == TransitionCallbackReturn.SUCCESS
        except RuntimeError as error:
            # A signal shut down the context, or another transition came first.
            if self.context.ok():
                self.get_logger().error(f"configure failed: {error}")
        finally:
            loaded.set_result(success)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network."""
        return self._transition("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start inference."""
        return self._transition("activate", self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop inference."""
        result = self._transition("deactivate", self._deactivate)
        # Checked only now: the device may have failed in the frame that `_deactivate` waited for.
        if not self.health.failure:
            return result
        self.get_logger().error(f"the device failed: {self.health.failure}")
        self.failed = True
        # rclpy then calls `on_error`, which frees everything. `configure` may follow.
        return TransitionCallbackReturn.ERROR

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network."""
        return self._transition("cleanup", self._clean_up)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        return self._transition("shutdown", self.close)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything. The node becomes unconfigured and can be configured again."""
        return self._transition("error handling", self.close)

    def _refuse_impossible_transitions(self) -> None:
        """Reject transitions that the current state does not allow; rclpy would end the process."""
        service = self._service_change_state
        change = service.callback

        def change_if_possible(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except RuntimeError:
                self.get_logger().error(
                    f"transition {request.transition.label or request.transition.id} refused: the "
                    f"node is {self._state_machine.current_state[1]}"
                )
                response.success = False
                return response

        service.callback = change_if_possible

    def _transition(self, name: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run the action of a transition. On failure, log the reason and undo what was done."""
        try:
            action()
            return TransitionCallbackReturn.SUCCESS
        except Exception as error:  # rclpy would hide it
            reason = " ".join(str(error).split()) or type(error).__name__
        if self.context.ok():  # during shutdown, errors are expected
            self.get_logger().error(f"{name} failed: {reason}")
        if name not in ("configure", "activate"):
            return TransitionCallbackReturn.ERROR
        self._deactivate()
        if name == "configure":
            self._clean_up()
        return TransitionCallbackReturn.FAILURE

    def _configure(self) -> None:
        self._is_configured = True
        self.has_bad_parameters = False
        cv2.setNumThreads(1)  # more threads would take cores from the network
        parameters = self.parameters
        calibration = load_calibration(parameters.calibration) if parameters.calibration else None
        brings_frames = names_frames(parameters.calibration)
        frame_ids: dict[str, str] = {}
        with ExitStack() as undo:
            sensors = parameters.sensors
            extrinsics = open_extrinsics(
                self,
                parameters,
                calibration,
                brings_frames,
                [sensor.name for sensor in sensors.lidars],
                [sensor.name for sensor in sensors.cameras],
            )
            undo.callback(extrinsics.close)
            motion = open_motion(self, parameters)
            if motion is not None:
                undo.callback(motion.close)
            if calibration and brings_frames and parameters.extrinsics == "calibration":
                frame_ids = calibrated_frame_ids(sensors, calibration)
            cameras = known_cameras(parameters, calibration)
            predictor = self._load_predictor(parameters, cameras)
            self._leave_out_unused_cameras(predictor)
            publishers = Publishers(
                self, predictor.output_labels, self.health, sensors.cameras, sensors.lidars
            )
            undo.pop_all()
        self._configuration = Configuration(
            predictor, calibration, frame_ids, extrinsics, publishers, motion
        )
        # Exclude all loaded objects from garbage collection. Scanning them would delay a frame by
        # 0.1 s now and then.
        gc.collect()
        gc.freeze()

    def _load_predictor(self, parameters: Parameters, cameras: Mapping[str, Camera]) -> Predictor:
        """Load the network, declare its class parameters, and warm it up."""
        # Imported here because it loads torch: the node answers services earlier.
        from bev_semseg_ros.inference.predictor import Predictor

        checkpoint = parameters.checkpoint or shipped_checkpoint()
        self._stop_if_shut_down()
        start = time.monotonic()
        predictor = Predictor.load(checkpoint, **parameters.predictor_options)
        self._stop_if_shut_down()
        loaded = time.monotonic()
        try:
            self._declare_by_class(predictor)
        except ValueError:
            self.has_bad_parameters = True  # restarting the node will not help
            raise
        predictor.warm_up(camera.size for camera in cameras.values())
        self._stop_if_shut_down()
        self.get_logger().info(
            f"configured: {checkpoint} loaded in {loaded - start:.1f} s, warmed up in "
            f"{time.monotonic() - loaded:.1f} s"
        )
        return predictor

    def _leave_out_unused_cameras(self, predictor: Predictor) -> None:
        """Change the mode to lidar_only if the network uses no images.

        Raises:
            ValueError: If the mode is camera_only.
        """
        if predictor.uses_images or self.parameters.mode == "lidar_only":
            return
        if self.parameters.mode == "camera_only":
            self.has_bad_parameters = True
            raise ValueError(
                "the mode is camera_only, and the network uses no images: set mode to "
                "lidar_only, or load another checkpoint"
            )
        with self.parameters_lock:  # another thread may be setting parameters
            self.parameters = replace(self.parameters, mode="lidar_only")
        self.get_logger().info("the network uses no images: the cameras are left out")

    def _stop_if_shut_down(self) -> None:
        if not self.context.ok():
            raise RuntimeError("shut down while loading")

    def _activate(self) -> None:
        if self._configuration is None:
            raise RuntimeError("the node is not configured")
        self.session = Session(
            self,
            self._configuration,
            self.health,
            lambda: self.parameters,
            self.trigger_deactivate,
        )
        self.get_logger().info(f"READY: {self.session.describe(self.parameters.mode)}")

    def _deactivate(self) -> None:
        session, self.session = self.session, None
        if session is None:
            return
        session.close()
        configuration = self._configuration
        if configuration is None or not self.context.ok():  # nothing can be published any more
            return
        level, message = OK, "inactive"
        if self.health.failure:
            level, message = ERROR, f"the device failed: {self.health.failure}"
        device = str(configuration.predictor.device)
        configuration.publishers.publish_diagnostics(level, message, {}, device)
        configuration.publishers.clear()

    def _clean_up(self) -> None:
        if self._configuration is not None:
            self._configuration.publishers.destroy()
            self._configuration.extrinsics.close()
            if self._configuration.motion is not None:
                self._configuration.motion.close()
        self._undeclare_by_class()
        # The next checkpoint may use images.
        self.parameters = replace(self.parameters, mode=self.get_parameter("mode").value)
        self._configuration = None
        self._is_configured = False
        _free_memory()

    def close(self) -> None:
        """Stop and free everything, from any state.

        This waits at most `SHUTDOWN_GRACE` for a pending configuration. If the node is then still
        loading, nothing is freed until the process ends.
        """
        if self._loading is not None and self._loading is not threading.current_thread():
            self._loading.join(SHUTDOWN_GRACE)
            if self._loading.is_alive():
                return
        self._deactivate()
        self._clean_up()

    # --- parameters -------------------------------------------------------------------------------

    def set_parameters_atomically(self, parameter_list: list[Any]) -> SetParametersResult:
        """Set parameters. The error for one that does not exist says what exists instead."""
        with self.parameters_lock:
            for name in (parameter.name for parameter in parameter_list):
                if self.has_parameter(name):
                    continue
                reason = f"unknown parameter {explain_unknown(name, self.parameters)}"
                if why := self.parameters.by_class.why_unknown(name):
                    reason = f"parameter {name}: {why}"
                return SetParametersResult(successful=False, reason=reason)
            return super().set_parameters_atomically(parameter_list)

    def _check_parameters(self, changes: list[Any]) -> SetParametersResult:
        try:
            self.parameters.changed(self._new_values(changes), self._is_configured)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take_parameters(self, changes: list[Any]) -> None:
        values = self._new_values(changes)
        self.parameters = self.parameters.changed(values, configured=False)  # checked before
        if self.session is not None:
            self.session.tune(self.parameters)

    def _new_values(self, changes: list[Any]) -> dict[str, Any]:
        """Return the new values by name, without `mode` if its ROS parameter does not change.

        `_leave_out_unused_cameras` may have replaced the mode in `self.parameters`, so that the
        same value would count as a change.
        """
        values = {change.name: change.value for change in changes}
        if self._is_configured and values.get("mode") == self.get_parameter("mode").value:
            del values["mode"]
        return values

    def _set_by_class(self, by_class: ClassParameters) -> None:
        self.parameters = replace(self.parameters, by_class=by_class)

    def _declare_by_class(self, predictor: Predictor) -> None:
        """Declare the class parameters for the classes of the checkpoint's boxes."""
        classes: tuple[str, ...] = ()
        if DETECTION in predictor.label_sets:
            classes = predictor.label_sets[DETECTION].classes
        # distance_bands must not change meanwhile, because the thresholds have to fit it.
        with self.parameters_lock:
            by_class, warnings = choose_by_class(
                self, classes, self._class_values, self.parameters.distance_bands
            )
            self._set_by_class(by_class)  # `_check_parameters` needs them
            declare_by_class(self, by_class)
        for warning in warnings:
            self.get_logger().warning(warning)

    def _undeclare_by_class(self) -> None:
        """Undeclare the class parameters; remember values for checkpoints with the same classes."""
        with self.parameters_lock:
            by_class = self.parameters.by_class
            self._class_values |= by_class.to_remember()
            undeclare_by_class(self, by_class)
            self._set_by_class(ClassParameters())


def _free_memory() -> None:
    """Return the memory of a network to the operating system and the GPU."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    gc.unfreeze()
    gc.collect()
    with suppress(OSError, AttributeError):  # a C library that is not glibc
        ctypes.CDLL(None).malloc_trim(0)  # glibc would keep what was freed
    if torch.cuda.is_available():
        with suppress(RuntimeError):  # the device is lost
            torch.cuda.empty_cache()
