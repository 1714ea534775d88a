"""The scene from above: the class of the ground in each cell, and the classes standing on it."""

from __future__ import annotations

import math

import numpy as np

from bev_semseg_ros.frame.bev_map import HEADROOM
from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN
from bev_semseg_ros.sim.assets.mesh import Mesh
from bev_semseg_ros.sim.render.cutout import CUTOUT, is_cut
from bev_semseg_ros.sim.render.noise import NOISE, inline, kernel

# Roles of the simulator's classes in the top view.
PAVED, SOIL, UPRIGHT, VEHICLE, PERSON, HOUSE, NOTHING = range(7)
# Bit of `TopView.standing` for a roof. The other bits are `1 << class`; class 0 never stands.
ROOF = np.uint8(1)

# Height in metres from which plants count as standing; grass and leaves below it are ground.
LOW_PLANTS = 0.3
# Largest distance in metres between the ground and a layer on it, such as paint or a kerb.
_LAYER = 0.25
# Least height in metres of soil above the plain, which lies below all ground of the world.
_PLAIN_DEPTH = 0.3
# z of the unit normal above which a surface is ground, and below which one is a wall.
_LEVEL, _STEEP = 0.6, 0.3
# Metres between samples of a surface, and between rows of them on a wall.
_STEP, _WALL_STEP = 0.09, 0.3
# Metres by which a decal is raised per unit of its depth bias, since it may dip into its surface.
_DECAL = 25.0
_DEPTH_BIAS = CAMERA_COLUMN["depth_bias"]


class TopView:
    """The contents of the (X, Y) cells of a grid in the ego frame.

    Attributes:
        heights: (X, Y) float32, z of the ground in metres; NaN where there is none.
        ground: (X, Y) uint8, class of the ground; `nothing` where there is none.
        standing: (X, Y) uint8, a bit for each class that stands in the cell, and ROOF where a
            building is higher than HEADROOM.
    """

    def __init__(
        self, shape: tuple[int, int], low: tuple[float, float], cell: float, nothing: int
    ) -> None:
        """Create the view of an empty world.

        Args:
            shape: (X, Y), number of cells.
            low: Least x and y of the grid in metres.
            cell: Side of a cell in metres.
            nothing: Class of a cell without ground.
        """
        self._low, self._cell = np.array(low), cell
        self._paved = np.full(shape, -np.inf, np.float32)
        self._lowest = np.full(shape, np.inf, np.float32)
        self._soil = np.full(shape, np.inf, np.float32)
        self._tops = np.full(shape, -np.inf, np.float32)
        self.heights = np.full(shape, np.nan, np.float32)
        self.ground = np.full(shape, nothing, np.uint8)
        self.standing = np.zeros(shape, np.uint8)

    def draw(
        self,
        meshes: list[Mesh],
        camera_table: np.ndarray,
        ego_from_world: np.ndarray,
        kinds: np.ndarray,
        classes: np.ndarray,
    ) -> None:
        """Draw all meshes.

        Args:
            meshes: All meshes of the world, in the world frame.
            camera_table: `MaterialTable.camera`.
            ego_from_world: (4, 4) transform.
            kinds: (256,) uint8, role of each class of the meshes: PAVED and so on.
            classes: (256,) uint8, class in this view for each class of the meshes.
        """
        places = (self._low, self._cell)
        args = [(mesh.triangles, mesh.labels, mesh.materials) for mesh in meshes]
        rest = (camera_table, ego_from_world, kinds, *places)
        scratch = np.empty((3, 3))
        for is_second in (False, True):
            for mesh in args:
                _draw_heights(
                    *mesh, *rest, is_second, self._paved, self._lowest, self._soil, scratch
                )
        _choose_heights(self._paved, self._lowest, self._soil, self.heights)
        for mesh in args:
            _draw_ground(*mesh, *rest, classes, self.heights, self._tops, self.ground, scratch)
        for mesh in args:
            _draw_standing(*mesh, *rest, classes, NOISE, self.heights, self.standing, scratch)


@inline
def _corners(triangle, m, low, cell, shape, corners):
    """Write a triangle's corners in units of the grid; return whether it may touch the grid."""
    for q in range(3):
        x, y, z = triangle[q, 0], triangle[q, 1], triangle[q, 2]
        corners[q, 0] = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3] - low[0]) / cell
        corners[q, 1] = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3] - low[1]) / cell
        corners[q, 2] = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    return (
        max(corners[0, 0], corners[1, 0], corners[2, 0]) > 0
        and max(corners[0, 1], corners[1, 1], corners[2, 1]) > 0
        and min(corners[0, 0], corners[1, 0], corners[2, 0]) < shape[0]
        and min(corners[0, 1], corners[1, 1], corners[2, 1]) < shape[1]
    )


@inline
def _rise(corners, cell):
    """Return the absolute z of a triangle's unit normal, from its corners in units of the grid."""
    ax, ay = (corners[1, 0] - corners[0, 0]) * cell, (corners[1, 1] - corners[0, 1]) * cell
    bx, by = (corners[2, 0] - corners[0, 0]) * cell, (corners[2, 1] - corners[0, 1]) * cell
    az, bz = corners[1, 2] - corners[0, 2], corners[2, 2] - corners[0, 2]
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return abs(nz) / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12)


@inline
def _rows(corners, count):
    """Return the first and the last row of cells whose centres a triangle may cover."""
    first = math.ceil(min(corners[0, 0], corners[1, 0], corners[2, 0]) - 0.5)
    last = math.floor(max(corners[0, 0], corners[1, 0], corners[2, 0]) - 0.5)
    return max(first, 0), min(last, count - 1)


@inline
def _span(corners, row, count):
    """Return the first and the last column of a row that a triangle covers, and z and its slope.

    z is that at the lower border of column 0, and the slope is the change of z per column.
    """
    x0, y0, x1, y1 = corners[0, 0], corners[0, 1], corners[1, 0], corners[1, 1]
    x2, y2 = corners[2, 0], corners[2, 1]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if abs(area) < 1e-9:
        return 0, -1, 0.0, 0.0
    x = row + 0.5
    # Barycentric weights of corners 1 and 2 along the row, linear in y.
    w1, w1_y = ((x - x0) * (y2 - y0) + (x2 - x0) * y0) / area, -(x2 - x0) / area
    w2, w2_y = (-(x - x0) * (y1 - y0) - (x1 - x0) * y0) / area, (x1 - x0) / area
    w0, w0_y = 1 - w1 - w2, -w1_y - w2_y
    start, stop = 0.0, float(count)
    for weight, slope in ((w0, w0_y), (w1, w1_y), (w2, w2_y)):
        if slope > 0:
            start = max(start, -(weight + 1e-7) / slope)
        elif slope < 0:
            stop = min(stop, -(weight + 1e-7) / slope)
        elif weight < 0:
            return 0, -1, 0.0, 0.0
    z = w0 * corners[0, 2] + w1 * corners[1, 2] + w2 * corners[2, 2]
    z_y = w0_y * corners[0, 2] + w1_y * corners[1, 2] + w2_y * corners[2, 2]
    first = max(math.ceil(start - 0.5), 0)
    last = min(math.floor(stop - 0.5), count - 1)
    return first, last, z, z_y


@inline
def _is_ground(kind, material, camera_table):
    """Return whether a level surface of this kind and material may be ground."""
    return (kind in (PAVED, SOIL)) and camera_table[material, CUTOUT] == 0


@kernel
def _draw_heights(
    triangles,
    labels,
    materials,
    camera_table,
    m,
    kinds,
    low,
    cell,
    is_second,
    paved,
    lowest,
    soil,
    corners,
):
    """Draw the heights of surfaces that may be ground, in two passes over all meshes.

    The first pass raises `paved` to the highest paved surface and lowers `lowest` to the lowest
    other ground. The second pass lowers `soil` to the lowest soil above the plain.
    """
    for k in range(len(triangles)):
        kind = kinds[labels[k]]
        if not _is_ground(kind, materials[k], camera_table) or (is_second and kind == PAVED):
            continue
        if not _corners(triangles[k], m, low, cell, paved.shape, corners):
            continue
        if _rise(corners, cell) < _LEVEL:
            continue
        first_row, last_row = _rows(corners, paved.shape[0])
        for row in range(first_row, last_row + 1):
            first, last, z0, slope = _span(corners, row, paved.shape[1])
            for column in range(first, last + 1):
                z = z0 + slope * (column + 0.5)
                if kind == PAVED:
                    paved[row, column] = max(paved[row, column], z)
                elif not is_second:
                    lowest[row, column] = min(lowest[row, column], z)
                elif z > lowest[row, column] + _PLAIN_DEPTH:
                    soil[row, column] = min(soil[row, column], z)


@kernel
def _choose_heights(paved, lowest, soil, heights):
    """Write the height of the ground: paved surface, otherwise soil, otherwise the plain below."""
    for row in range(heights.shape[0]):
        for column in range(heights.shape[1]):
            if paved[row, column] > -1e6:
                heights[row, column] = paved[row, column]
            elif soil[row, column] < 1e6:
                heights[row, column] = soil[row, column]
            elif lowest[row, column] < 1e6:
                heights[row, column] = lowest[row, column]


@kernel
def _draw_ground(
    triangles,
    labels,
    materials,
    camera_table,
    m,
    kinds,
    low,
    cell,
    classes,
    heights,
    tops,
    ground,
    corners,
):
    """Write the class of the topmost surface of the ground."""
    for k in range(len(triangles)):
        if not _is_ground(kinds[labels[k]], materials[k], camera_table):
            continue
        if not _corners(triangles[k], m, low, cell, ground.shape, corners):
            continue
        if _rise(corners, cell) < _LEVEL:
            continue
        raised = _DECAL * camera_table[materials[k], _DEPTH_BIAS]
        first_row, last_row = _rows(corners, ground.shape[0])
        for row in range(first_row, last_row + 1):
            first, last, z0, slope = _span(corners, row, ground.shape[1])
            for column in range(first, last + 1):
                z = z0 + slope * (column + 0.5)
                if abs(z - heights[row, column]) < _LAYER and z + raised > tops[row, column]:
                    tops[row, column] = z + raised
                    ground[row, column] = classes[labels[k]]


@kernel
def _draw_standing(
    triangles,
    labels,
    materials,
    camera_table,
    m,
    kinds,
    low,
    cell,
    classes,
    noise,
    heights,
    standing,
    corners,
):
    """Set the bits of the classes that stand in each cell."""
    rows, columns = standing.shape
    for k in range(len(triangles)):
        kind = kinds[labels[k]]
        if kind in (PAVED, NOTHING):
            continue
        if not _corners(triangles[k], m, low, cell, standing.shape, corners):
            continue
        bottom = min(corners[0, 2], corners[1, 2], corners[2, 2])
        column0 = min(max(int(corners[0, 1]), 0), columns - 1)
        below = heights[min(max(int(corners[0, 0]), 0), rows - 1), column0]
        rise = _rise(corners, cell)
        if kind in (UPRIGHT, SOIL):
            if bottom > below + HEADROOM + 1:
                continue
            # A level sheet of soil is ground. Skipping it saves time, as scenes contain much of it.
            top = max(corners[0, 2], corners[1, 2], corners[2, 2])
            is_solid = camera_table[materials[k], CUTOUT] == 0
            if kind == SOIL and is_solid and rise > _LEVEL and top < below + LOW_PLANTS:
                continue
        bit = np.uint8(1 << classes[labels[k]])
        is_roof = kind == HOUSE and rise > _STEEP and bottom > below + HEADROOM + 1
        if is_roof or kind == VEHICLE:
            # Roofs and vehicles cover the cells below them. They are drawn exactly, because samples
            # would reach beyond their edges.
            first_row, last_row = _rows(corners, rows)
            for row in range(first_row, last_row + 1):
                first, last, _, _ = _span(corners, row, columns)
                for column in range(first, last + 1):
                    standing[row, column] |= ROOF if is_roof else bit
            continue
        _sample(
            triangles[k],
            corners,
            _STEP / cell,
            (_WALL_STEP if rise < _STEEP else _STEP) / cell,
            cell,
            kind,
            bit,
            materials[k],
            camera_table,
            noise,
            heights,
            standing,
        )


@inline
def _sample(
    world,
    corners,
    along_step,
    across_step,
    cell,
    kind,
    bit,
    material,
    camera_table,
    noise,
    heights,
    standing,
):
    """Set `bit` in the cells below samples of a triangle's surface.

    Rows of samples run parallel to the longest side. `world` has the corners (3, 3) in the world
    frame. `corners` and the steps are in units of the grid.
    """
    rows, columns = standing.shape
    longest, a = -1.0, 0
    for q in range(3):
        other = (q + 1) % 3
        dx, dy = corners[other, 0] - corners[q, 0], corners[other, 1] - corners[q, 1]
        dz = (corners[other, 2] - corners[q, 2]) / cell
        length = dx * dx + dy * dy + dz * dz
        if length > longest:
            longest, a = length, q
    b, c = (a + 1) % 3, (a + 2) % 3
    longest = math.sqrt(longest) + 1e-9
    # Distance of the third corner from the longest side.
    dx, dy = corners[b, 0] - corners[a, 0], corners[b, 1] - corners[a, 1]
    dz = (corners[b, 2] - corners[a, 2]) / cell
    ex, ey = corners[c, 0] - corners[a, 0], corners[c, 1] - corners[a, 1]
    ez = (corners[c, 2] - corners[a, 2]) / cell
    nx, ny, nz = dy * ez - dz * ey, dz * ex - dx * ez, dx * ey - dy * ex
    width = math.sqrt(nx * nx + ny * ny + nz * nz) / longest
    has_holes = camera_table[material, CUTOUT] > 0
    hx = hy = 0.0
    if has_holes:
        ux, uy, uz = world[b, 0] - world[a, 0], world[b, 1] - world[a, 1], world[b, 2] - world[a, 2]
        vx, vy, vz = world[c, 0] - world[a, 0], world[c, 1] - world[a, 1], world[c, 2] - world[a, 2]
        hx, hy, hz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        size = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-12
        hx, hy = hx / size, hy / size
    across = max(1, math.ceil(width / across_step))
    for j in range(across):
        t = (j + 0.5) / across
        along = max(1, math.ceil(longest * (1 - t) / along_step))
        for i in range(along):
            w1 = (i + 0.5) / along * (1 - t)
            w0 = 1 - t - w1
            row = math.floor(w0 * corners[a, 0] + w1 * corners[b, 0] + t * corners[c, 0])
            column = math.floor(w0 * corners[a, 1] + w1 * corners[b, 1] + t * corners[c, 1])
            if row < 0 or column < 0 or row >= rows or column >= columns:
                continue
            z = w0 * corners[a, 2] + w1 * corners[b, 2] + t * corners[c, 2]
            height = z - heights[row, column]
            if kind == HOUSE and height >= HEADROOM:
                standing[row, column] |= ROOF
                continue
            if kind != PERSON and not height < HEADROOM:
                continue
            if kind == SOIL and height < LOW_PLANTS:
                continue
            if standing[row, column] & bit:
                continue
            if has_holes and is_cut(
                noise,
                camera_table,
                material,
                w0 * world[a, 0] + w1 * world[b, 0] + t * world[c, 0],
                w0 * world[a, 1] + w1 * world[b, 1] + t * world[c, 1],
                w0 * world[a, 2] + w1 * world[b, 2] + t * world[c, 2],
                hx,
                hy,
            ):
                continue
            standing[row, column] |= bit
