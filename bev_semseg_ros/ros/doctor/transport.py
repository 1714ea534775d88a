"""The doctor's look at what carries the messages: QoS, and whether the senders' DDS transport can."""

from __future__ import annotations

from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Offer, Stream

SEGMENT = (
    512 * 1024
)  # bytes of Fast DDS's shared memory by default: what is larger is dropped where it is best effort
CARRIED = 0.9  # share of the messages that must arrive
PROFILE = (
    "start the sender with config/fastdds_shm.xml as its DDS profile (FASTRTPS_DEFAULT_PROFILES_FILE up to "
    "Jazzy, FASTDDS_DEFAULT_PROFILES_FILE later)"
)


def check_qos(stream: Stream, diagnosis: Diagnosis) -> None:
    """What the publishers of a topic offer, by node, against what the node asks for."""
    item = f"qos {stream.name}"
    if not stream.offers:
        diagnosis.say(item, "ok", "unknown: the bag does not say")
        return
    offered = ", ".join(
        sorted({f"{offer.publisher} {offer.reliability}" for offer in stream.offers})
    )
    reliabilities = {offer.reliability for offer in stream.offers}
    if len(reliabilities) > 1:
        diagnosis.say(
            item,
            "warning",
            f"publishers of {stream.topic} differ: {offered}",
            "let them offer the same; "
            "with reliability auto or best_effort the node hears all of them, with reliable it would not",
        )
    elif "best_effort" in reliabilities:
        diagnosis.say(
            item,
            "ok",
            f"{offered}: with reliability auto or best_effort the node hears it, with reliable "
            "it would not",
        )
    else:
        diagnosis.say(item, "ok", offered)


def check_static_qos(offers: list[Offer], diagnosis: Diagnosis) -> None:
    if volatile := sorted({offer.publisher for offer in offers if offer.durability == "volatile"}):
        diagnosis.say(
            "qos /tf_static",
            "warning",
            f"offered volatile by {', '.join(volatile)}: who comes late never hears it",
            "publish it transient local (tf2_ros.StaticTransformBroadcaster does)",
        )


def check_transport(observation: Observation, diagnosis: Diagnosis) -> None:
    """Whether large messages arrive, or would."""
    for name in ("points", "image"):
        if (stream := observation.streams.get(name)) is None:
            continue
        item, size = f"transport {name}", f"messages of {stream.largest_bytes / 1e6:.1f} MB"
        best_effort = any(offer.reliability == "best_effort" for offer in stream.offers)
        if observation.is_live and (share := _arrived(stream, observation)) < CARRIED:
            senders = ", ".join(sorted({offer.publisher for offer in stream.offers}))
            infos = observation.streams.get("camera_info")
            beside = f" and {len(infos)} camera_infos came" if name == "image" and infos else ""
            segment = f"DDS's largest shared memory segment here has {observation.shared_memory / 2**20:.1f} MiB"
            diagnosis.say(
                item,
                "fault" if share < 0.5 else "warning",
                f"{len(stream)} messages came on {stream.topic} "
                f"although {senders} publishes it{beside}: large messages do not get through; {segment}",
                f"if {senders} is not idle: {PROFILE}",
            )
        elif stream.largest_bytes <= SEGMENT:
            if len(stream):
                diagnosis.say(item, "ok", f"{size}: any transport carries them")
        elif observation.is_live:
            diagnosis.say(item, "ok", f"{size}: they arrive")
        elif best_effort:
            diagnosis.say(
                item,
                "warning",
                f"{size}, best effort: Fast DDS's default transport drops them silently",
                f"{PROFILE}; `bev-semseg play` does it by itself",
            )
        else:
            diagnosis.say(
                item,
                "ok",
                f"{size}, reliable: slow over Fast DDS's default transport, which the sender's "
                "profile (config/fastdds_shm.xml) mends",
            )


def _arrived(stream: Stream, observation: Observation) -> float:
    """The share of the messages that came, as far as that can be told: by the camera_infos that go with images."""
    infos = observation.streams.get("camera_info")
    if not len(stream):
        return 0.0
    return len(stream) / len(infos) if stream.name == "image" and infos else 1.0
