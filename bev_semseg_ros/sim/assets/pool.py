"""A pool of shapes, each built when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import overload

import numpy as np

from bev_semseg_ros.sim.assets.shape import Shape

# Makes a shape of the given kind.
Maker = Callable[[np.random.Generator, str], Shape]


class Pool(Sequence[Shape]):
    """Shapes of several kinds. The same seeds give the same shapes, in any order of use.

    Each shape has its own seed and is built when it is first used. A process that simulates a few
    scenes builds only the shapes in them.

    Attributes:
        kinds: Kind of each shape.
    """

    def __init__(self, make: Maker, counts: Mapping[str, int], seeds: tuple[int, ...]) -> None:
        """Describe a pool without building anything.

        Args:
            make: Makes a shape of the given kind.
            counts: Number of shapes of each kind.
            seeds: Seeds of the pool; no two pools of a library share them.
        """
        self._make = make
        self._seeds = seeds
        self._shapes: dict[int, Shape] = {}
        self.kinds = [kind for kind, count in counts.items() for _ in range(count)]
        self._rows = {
            kind: [row for row, other in enumerate(self.kinds) if other == kind] for kind in counts
        }

    def __len__(self) -> int:
        return len(self.kinds)

    @overload
    def __getitem__(self, index: int) -> Shape: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Shape]: ...

    def __getitem__(self, index: int | slice) -> Shape | Sequence[Shape]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        if row not in self._shapes:
            rng = np.random.default_rng((*self._seeds, row))
            self._shapes[row] = self._make(rng, self.kinds[row])
        return self._shapes[row]

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> Shape:
        """Return a random shape.

        Args:
            rng: Source of randomness.
            kind: Kind of the shape; None to draw from all shapes, each equally likely.

        Raises:
            ValueError: If the pool has no such kind.
        """
        if kind is None:
            return self[int(rng.integers(len(self)))]
        if kind not in self._rows:
            raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(self._rows)}")
        rows = self._rows[kind]
        return self[rows[rng.integers(len(rows))]]
