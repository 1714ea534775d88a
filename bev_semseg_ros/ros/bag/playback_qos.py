"""The QoS with which a recorded topic is played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos

# Placeholders for a policy, which tell a publisher nothing about the policy to use.
_NOT_CHOSEN = ("UNKNOWN", "SYSTEM_DEFAULT", "BEST_AVAILABLE")
MAX_DEPTH = 100  # messages that a latched topic keeps for late subscribers


def qos_profile(offered: Sequence[Qos], count: int = 0, is_static: bool = False) -> QoSProfile:
    """Choose the QoS profile with which a recorded topic is played.

    Args:
        offered: Profiles that the recorded publishers offered. `ros2 bag record` cannot see the
            history of a publisher and writes "unknown" and a depth of 0.
        count: Number of messages. A latched topic keeps all of them, up to MAX_DEPTH: /tf_static
            may have several publishers with one message each.
        is_static: Whether the topic is /tf_static, which is latched if the bag does not say.

    Returns:
        The first offered profile, made reliable if the publishers differ in reliability, and
        latched if one of them is latched, so that it matches all subscribers. Without an offered
        profile: reliable, with a depth of 10 or more.
    """
    latched = DurabilityPolicy.TRANSIENT_LOCAL
    if not offered:
        return QoSProfile(
            depth=max(10, min(count, MAX_DEPTH)) if is_static else 10,
            durability=latched if is_static else DurabilityPolicy.VOLATILE,
        )
    profile = offered[0]

    def policy(kind: Any, value: Any, default: Any) -> Any:
        return default if value.name in _NOT_CHOSEN else getattr(kind, value.name, default)

    history = policy(HistoryPolicy, profile.history, HistoryPolicy.KEEP_LAST)
    usual = latched if is_static else DurabilityPolicy.VOLATILE
    durability = policy(DurabilityPolicy, profile.durability, usual)
    if any(each.durability.name == latched.name for each in offered):
        durability = latched
    is_latched = durability == latched
    kept = min(count, MAX_DEPTH) if is_latched else 0
    reliability = policy(ReliabilityPolicy, profile.reliability, ReliabilityPolicy.RELIABLE)
    if len({each.reliability for each in offered}) > 1:
        reliability = ReliabilityPolicy.RELIABLE
    return QoSProfile(
        history=history if history == HistoryPolicy.KEEP_ALL else HistoryPolicy.KEEP_LAST,
        depth=max(profile.depth or 10, kept),
        reliability=reliability,
        durability=durability,
    )
