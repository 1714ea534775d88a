"""The parts of an active node: subscriptions, the inference thread and timers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.ros.convert.camera_info import shows_rectified
from bev_semseg_ros.ros.health.explanations import own_error
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.health.reporter import Reporter
from bev_semseg_ros.ros.input.camera_info_matcher import open_matchers
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.ego_motion import MotionSource, OdometryMotion
from bev_semseg_ros.ros.input.extrinsics import Extrinsics
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue
from bev_semseg_ros.ros.input.stamp_filter import StampFilter, stamp_offsets
from bev_semseg_ros.ros.input.subscriptions import Subscription, open_subscriptions
from bev_semseg_ros.ros.node.pipeline import NO_BOXES, Pipeline
from bev_semseg_ros.ros.node.publishers import DETECTION, Publishers, unpublished
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor
from bev_semseg_ros.ros.synchronizer import Synchronizer

if TYPE_CHECKING:
    from bev_semseg_ros.inference.predictor import Predictor

# Seconds between checks of the publishers' QoS and of images that wait for their camera_info.
FOLLOW_INTERVAL = 0.2
REPORT_INTERVAL = 1.0  # seconds between messages on /diagnostics


@dataclass(frozen=True)
class Configuration:
    """Everything that configure creates and cleanup frees.

    Attributes:
        predictor: The network, warmed up.
        calibration: The calibration file's content, if there is one.
        frame_ids: frame_ids of the sensors by stream, if the calibration has them.
        extrinsics: Source of the sensors' poses.
        publishers: The publishers.
        motion: Source of the vehicle's motion; None: the motion is not corrected.
    """

    predictor: Predictor
    calibration: Calibration | None
    frame_ids: Mapping[str, str]
    extrinsics: Extrinsics
    publishers: Publishers
    motion: MotionSource | None = None


class Session:
    """The work of an active node, from construction until `close`.

    The executor's thread only moves messages into the queue. Decoding, the network and publishing
    happen in the pipeline's thread.

    Attributes:
        subscriptions: The subscriptions by name: points, image, camera_info, or NAME/points, ...
    """

    def __init__(
        self,
        node: Node,
        configuration: Configuration,
        health: Health,
        parameters: Callable[[], Parameters],
        on_failure: Callable[[], Any],
    ) -> None:
        """Start the inference thread, subscribe, and start the timers.

        Args:
            node: The node.
            configuration: Result of configure.
            health: Takes all counters and warnings. It is reset first.
            parameters: Returns the current parameters.
            on_failure: Called in the executor's thread when the device has failed.
        """
        values = parameters()
        known = (*values.sensors.lidars, *values.sensors.cameras)
        health.reset(sensor.stream for sensor in known)
        self._node, self._configuration, self._health = node, configuration, health
        self._on_failure = on_failure
        self._sensors = values.sensors.used(values.mode)
        streams = tuple(sensor.stream for sensor in self._sensors)
        self._queue = LatestPairQueue(Synchronizer(0, 0, streams=streams), health)
        clock = node.get_clock()
        self._stamp_filter = StampFilter(self._queue, health, lambda: clock.now().nanoseconds)
        self._matchers = open_matchers(self._sensors, values, self._stamp_filter, health)
        calibration = configuration.calibration
        pipeline = Pipeline(
            configuration.predictor,
            configuration.extrinsics,
            self._queue,
            configuration.publishers,
            health,
            parameters,
            node.context.ok,
            cameras={
                sensor.name: self._camera_input(sensor, values) for sensor in values.sensors.cameras
            },
            frame_ids=configuration.frame_ids,
            motion=configuration.motion,
            units={} if calibration is None else calibration.units,
        )
        self._reporter = Reporter(
            health, configuration.predictor, parameters, node.get_logger().warning
        )
        self.tune(values)
        with ExitStack() as stack:
            pipeline.start()
            stack.callback(pipeline.close)
            for matcher in self._matchers.values():
                stack.callback(matcher.close)
            motion = configuration.motion
            self.subscriptions: dict[str, Subscription] = open_subscriptions(
                node,
                values,
                self._stamp_filter,
                self._matchers,
                health,
                self._guarded,
                motion.take if isinstance(motion, OdometryMotion) else None,
            )
            for subscription in self.subscriptions.values():
                stack.callback(subscription.destroy)
            # A steady clock: with use_sim_time, the node's clock stands still without /clock.
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            for interval, callback in (
                (FOLLOW_INTERVAL, self._follow),
                (REPORT_INTERVAL, self._report),
            ):
                guarded = self._guarded(callback, takes_message=False)
                timer = node.create_timer(interval, guarded, clock=steady)
                stack.callback(node.destroy_timer, timer)
            self._resources = stack.pop_all()

    def tune(self, parameters: Parameters) -> None:
        """Apply the current values of the live parameters."""
        self._queue.tune(parameters.slop, parameters.max_wait, parameters.unmatched == "process")
        self._stamp_filter.tune(stamp_offsets(self._sensors, parameters))
        self._configuration.publishers.publish_label_info(parameters)

    def close(self) -> None:
        """Stop the timers, unsubscribe, and finish the current frame."""
        self._resources.close()
        left = self._health.counts().dropped["deactivated"]
        if left and self._node.context.ok():
            self._node.get_logger().info(
                f"deactivated: {left} messages or pairs were waiting and were dropped"
            )

    def describe(self, mode: str) -> str:
        """Describe the network, the mode, the topics and what is missing, in one line."""
        configuration = self._configuration
        predictor, absent = configuration.predictor, configuration.publishers.absent
        topics = ", ".join(f"{name} on {each.topic}" for name, each in self.subscriptions.items())
        text = f"{predictor.description}; mode {mode}; {topics}"
        if absent:
            text += f"; without {', '.join(absent)}: vision_msgs is not installed"
        if others := unpublished(task.name for task in predictor.tasks):
            text += f"; no topic for the results of {', '.join(others)}"
        detects = DETECTION in predictor.label_sets
        if mode == "camera_only" and detects and not predictor.finds_boxes_in_images:
            text += f"; {NO_BOXES}"
        return text

    def _camera_input(self, sensor: Sensor, parameters: Parameters) -> CameraInput:
        calibration = self._configuration.calibration
        mounts = {} if calibration is None else calibration.cameras
        setting = parameters.of(sensor, "rectified")
        return CameraInput(
            sensor,
            mounts[sensor.name].camera if sensor.name in mounts else None,
            shows_rectified(setting, self._node.resolve_topic_name(sensor.stream)),
            self._health,
            self._configuration.frame_ids.get(sensor.stream, ""),
        )

    def _guarded(
        self, callback: Callable[..., Any], takes_message: bool = True
    ) -> Callable[..., Any]:
        """Wrap a callback so that an exception in it does not end the executor.

        An exception becomes a warning. If the callback takes a message, the message also counts as
        dropped.
        """

        def call(*arguments: Any) -> Any:
            try:
                return callback(*arguments)
            except Exception as error:
                if self._node.context.ok():  # during shutdown, errors are expected
                    if takes_message:
                        self._health.drop("callback_error")
                    self._health.warn("callback_error", own_error(error))
                return None

        return call

    def _follow(self) -> None:
        if self._health.failure:
            self._on_failure()  # closes this session
            return
        for subscription in self.subscriptions.values():
            self._guarded(subscription.follow, takes_message=False)()
        for matcher in self._matchers.values():
            matcher.expire(time.monotonic_ns())

    def _report(self) -> None:
        for subscription in self.subscriptions.values():
            self._guarded(subscription.observe, takes_message=False)()
        self._queue.observe()
        verdict = self._reporter.report()
        self._configuration.publishers.publish_diagnostics(
            verdict.level,
            verdict.message,
            verdict.values,
            str(self._configuration.predictor.device),
        )
