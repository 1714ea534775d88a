"""Which messages come too late for a recent match."""

from bev_semseg_ros.ros.synchronizer.recent_matches import MATCHES, RecentMatches


def recent_matches() -> RecentMatches:
    """Return a match at 0 without an image and a complete one at 100."""
    recent = RecentMatches()
    recent.add(0, frozenset({"points"}))
    recent.add(100, frozenset({"points", "image"}))
    return recent


def test_only_the_nearest_match_counts():
    recent = recent_matches()
    assert recent.distance("image", 40) == 40 and recent.distance("image", -5) == 5
    assert recent.distance("image", 60) is None and recent.distance("points", 40) is None


def test_after_a_jump_back_no_match_misses_the_stream():
    recent = recent_matches()
    recent.stop_missing("image")
    assert recent.distance("image", 40) is None and recent.distance("rear/image", 40) == 40


def test_a_bounded_number_of_matches_is_remembered():
    recent = recent_matches()
    recent.stop_missing("rear/image")  # keeps the limit
    for index in range(MATCHES):
        recent.add(1000 + index, frozenset({"points"}))
    assert recent.distance("image", 0) == 1000
    recent.clear()
    assert recent.distance("image", 0) is None
