"""Who does what: the kinds of people that the library is asked for, by their part in a scene."""

from __future__ import annotations

import numpy as np

# Part in a scene -> kinds of `Library.draw_person` and how often each is drawn. This is the only
# place that names kinds of people.
ROLES: dict[str, dict[str, float]] = {
    "walker": {"walking": 1.0},
    "jogger": {"walking": 1.0},
    "child": {"child": 1.0},
    "stander": {"standing": 1.0},
    "sitter": {"sitting": 1.0},
    "cyclist": {"cyclist": 1.0},
    "waiting_cyclist": {"cyclist": 1.0},
    "motorcyclist": {"motorcyclist": 1.0},
}


def draw_kind(role: str, rng: np.random.Generator) -> str:
    """Return a kind of person for a part in a scene, a key of ROLES."""
    kinds = ROLES[role]
    return str(rng.choice(list(kinds), p=np.array(list(kinds.values())) / sum(kinds.values())))
