"""The doctor's look at what carries the messages: QoS, and whether the senders' DDS transport can."""

from __future__ import annotations

from bev_semseg_ros.ros.diagnosis import Diagnosis
from bev_semseg_ros.ros.observation import Observation, Offer, Stream

SEGMENT = 512 * 1024  # bytes of Fast DDS's shared memory by default: what is larger is dropped where it is best effort
LOST = 0.5  # share of the camera_infos' number that images must reach to be called carried
PROFILE = ("start the sender with config/fastdds_shm.xml as its DDS profile (FASTRTPS_DEFAULT_PROFILES_FILE up to "
           "Jazzy, FASTDDS_DEFAULT_PROFILES_FILE later)")


def check_qos(stream: Stream, diagnosis: Diagnosis) -> None:
    """What the publishers of a topic offer, by node, against what the node asks for."""
    item = f"qos {stream.name}"
    if not stream.offers:
        diagnosis.say(item, "ok", "unknown: the bag does not say")
        return
    offered = ", ".join(sorted({f"{offer.publisher} {offer.reliability}" for offer in stream.offers}))
    reliabilities = {offer.reliability for offer in stream.offers}
    if len(reliabilities) > 1:
        diagnosis.say(item, "warning", f"publishers of {stream.topic} differ: {offered}", "let them offer the same; "
                      "with reliability auto or best_effort the node hears all of them, with reliable it would not")
    elif "best_effort" in reliabilities:
        diagnosis.say(item, "ok", f"{offered}: with reliability auto or best_effort the node hears it, with reliable "
                      "it would not")
    else:
        diagnosis.say(item, "ok", offered)


def check_static_qos(offers: list[Offer], diagnosis: Diagnosis) -> None:
    if volatile := sorted({offer.publisher for offer in offers if offer.durability == "volatile"}):
        diagnosis.say("qos /tf_static", "warning", f"offered volatile by {', '.join(volatile)}: who comes late never "
                      "hears it", "publish it transient local (tf2_ros.StaticTransformBroadcaster does)")


def check_transport(observation: Observation, diagnosis: Diagnosis) -> None:
    """Whether large messages arrive, or would."""
    streams = observation.streams
    for name in ("points", "image"):
        if (stream := streams.get(name)) is None:
            continue
        item, best_effort = f"transport {name}", any(offer.reliability == "best_effort" for offer in stream.offers)
        if observation.is_live and _is_lost(stream, streams):
            others = ", ".join(f"{len(each)} on {each.topic}" for each in streams.values() if len(each) > len(stream))
            segment = f"the largest shared memory segment of DDS here has {observation.shared_memory / 2**20:.1f} MiB"
            senders = ", ".join(sorted({offer.publisher for offer in stream.offers}))
            diagnosis.say(item, "fault", f"{len(stream)} messages on {stream.topic} although {senders} publishes it"
                          + (f" ({others})" if others else "") + f": large messages do not get through; {segment}",
                          f"if {senders} is not idle: {PROFILE}")
        elif stream.largest_bytes > SEGMENT:
            text = f"messages of {stream.largest_bytes / 1e6:.1f} MB, {'best effort' if best_effort else 'reliable'}"
            if observation.is_live:
                diagnosis.say(item, "ok", f"{text}: they arrive")
            elif best_effort:
                diagnosis.say(item, "warning", f"{text}: Fast DDS's default transport drops them silently",
                              f"{PROFILE}; `bev-semseg play` does it by itself")
            else:
                diagnosis.say(item, "ok", f"{text}: slow over Fast DDS's default transport, which the sender's profile "
                              "(config/fastdds_shm.xml) mends")
        elif len(stream):
            diagnosis.say(item, "ok", f"messages of {stream.largest_bytes / 1e6:.1f} MB: any transport carries them")


def _is_lost(stream: Stream, streams: dict[str, Stream]) -> bool:
    """True if nothing comes although there is a publisher, or far less than of the camera_infos that go with it."""
    info = streams.get("camera_info")
    expected = len(info) if stream.name == "image" and info is not None else 0
    return len(stream) == 0 or len(stream) < LOST * expected
