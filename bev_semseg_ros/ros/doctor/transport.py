"""Checks of QoS, and of whether DDS can carry the messages."""

from __future__ import annotations

from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Offer, Stream

# Bytes of Fast DDS's default shared memory. Fast DDS drops larger best-effort messages.
SEGMENT = 512 * 1024
MIN_ARRIVED = 0.9  # fraction of the messages
PROFILE = (
    "start the sender with config/fastdds_shm.xml as its DDS profile "
    "(FASTRTPS_DEFAULT_PROFILES_FILE up to Jazzy, FASTDDS_DEFAULT_PROFILES_FILE later)"
)
WHO_HEARS_BEST_EFFORT = (
    "with reliability auto or best_effort the node receives it, with reliable it would not"
)


def check_qos(stream: Stream, diagnosis: Diagnosis) -> None:
    """Check the reliability that the publishers of a topic offer."""
    item = f"qos {stream.name}"
    if not stream.offers:
        diagnosis.add(item, "ok", "unknown: the bag does not say")
        return
    offered = ", ".join(
        sorted({f"{offer.publisher} {offer.reliability}" for offer in stream.offers})
    )
    reliabilities = {offer.reliability for offer in stream.offers}
    if len(reliabilities) > 1:
        diagnosis.add(
            item,
            "warning",
            f"publishers of {stream.topic} differ: {offered}",
            "let them offer the same; with reliability auto or best_effort the node receives all "
            "of them, with reliable it would not",
        )
    elif "best_effort" in reliabilities:
        diagnosis.add(item, "ok", f"{offered}: {WHO_HEARS_BEST_EFFORT}")
    else:
        diagnosis.add(item, "ok", offered)


def check_static_qos(offers: list[Offer], diagnosis: Diagnosis) -> None:
    """Check that /tf_static is latched."""
    volatile = sorted({offer.publisher for offer in offers if offer.durability == "volatile"})
    if volatile:
        diagnosis.add(
            "qos /tf_static",
            "warning",
            f"offered volatile by {', '.join(volatile)}: late subscribers never receive it",
            "publish it transient local (tf2_ros.StaticTransformBroadcaster does)",
        )


def check_transport(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check whether large messages arrive, or would arrive if the bag were played."""
    for sensor in observation.sensors.all:
        stream = observation.messages(sensor)
        if stream is None:
            continue
        infos = observation.camera_infos(sensor) if sensor.kind == "image" else None
        num_infos = 0 if infos is None else len(infos)
        share = _arrived_share(stream, num_infos)
        if observation.is_live and share < MIN_ARRIVED:
            _add_lost(stream, share, num_infos, observation.shared_memory, diagnosis)
        elif len(stream):
            _add_size(stream, observation.is_live, diagnosis)


def _add_lost(
    stream: Stream, share: float, num_infos: int, shared_memory: int, diagnosis: Diagnosis
) -> None:
    """Report a live stream that lost messages."""
    # The list is empty if the publishers have gone since.
    senders = ", ".join(sorted({offer.publisher for offer in stream.offers})) or "its publisher"
    beside = f" and {num_infos} camera_infos came" if num_infos else ""
    diagnosis.add(
        f"transport {stream.name}",
        "fault" if share < 0.5 else "warning",
        f"{len(stream)} messages came on {stream.topic} although {senders} publishes it{beside}: "
        "large messages do not get through; DDS's largest shared memory segment here has "
        f"{shared_memory / 2**20:.1f} MiB",
        f"if {senders} is not idle: {PROFILE}",
    )


def _add_size(stream: Stream, is_live: bool, diagnosis: Diagnosis) -> None:
    """Report whether messages of this size get through."""
    item = f"transport {stream.name}"
    size = f"messages of {stream.largest_bytes / 1e6:.1f} MB"
    if stream.largest_bytes <= SEGMENT:
        diagnosis.add(item, "ok", f"{size}: any transport carries them")
    elif is_live:
        diagnosis.add(item, "ok", f"{size}: they arrive")
    elif any(offer.reliability == "best_effort" for offer in stream.offers):
        diagnosis.add(
            item,
            "warning",
            f"{size}, best effort: Fast DDS's default transport drops them silently",
            f"{PROFILE}; `bev-semseg play` does it automatically",
        )
    else:
        diagnosis.add(
            item,
            "ok",
            f"{size}, reliable: slow over Fast DDS's default transport; the sender's DDS profile "
            "(config/fastdds_shm.xml) makes it fast",
        )


def _arrived_share(stream: Stream, num_infos: int) -> float:
    """Estimate the fraction of messages that came, for images relative to their camera_infos."""
    if not len(stream):
        return 0.0
    return len(stream) / num_infos if num_infos else 1.0
