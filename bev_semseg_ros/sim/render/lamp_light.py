"""The light of street lamps and headlights at a point."""

from __future__ import annotations

import math

from bev_semseg_ros.sim.render.noise import pasted

# A beam with a larger exponent is that of a dipped headlight, which is cut off above its axis.
HEADLIGHT = 5.0


@pasted
def lamp_light(lamps, x, y, z, nx, ny, nz, rx, ry, rz, mirror, lit):
    """Write the light of all lamps at a point x, y, z.

    nx, ny, nz is the normal, and rx, ry, rz the reflected viewing direction. `mirror` is the
    reflectance of the surface. `lit` (6,) receives diffuse (3) and specular (3) light.
    """
    for c in range(6):
        lit[c] = 0.0
    for i in range(lamps.shape[0]):
        lx, ly, lz = lamps[i, 0] - x, lamps[i, 1] - y, lamps[i, 2] - z
        square = lx * lx + ly * ly + lz * lz + 0.05
        distance = math.sqrt(square)
        lx, ly, lz = lx / distance, ly / distance, lz / distance
        along = -(lx * lamps[i, 3] + ly * lamps[i, 4] + lz * lamps[i, 5])
        if along <= 0.02:
            continue
        narrow = lamps[i, 9]
        if narrow > HEADLIGHT:
            # Wide to the sides, cut off above the axis.
            rise = -lz - lamps[i, 5] / max(along, 0.3)
            beam = along**narrow
            if rise > 0:
                beam *= max(0.06, 1 - 40 * rise)
            else:
                beam *= max(0.15, 1 + 2.5 * rise)
        else:
            beam = along**narrow
        power = beam / square
        cosine = max(nx * lx + ny * ly + nz * lz, 0.0)
        gloss = 0.0
        if mirror > 0:
            gloss = max(rx * lx + ry * ly + rz * lz, 0.0)
            for _ in range(5):  # to the power of 32
                gloss *= gloss
            gloss *= 4 * mirror
        for c in range(3):
            lit[c] += lamps[i, 6 + c] * power * cosine
            lit[3 + c] += lamps[i, 6 + c] * power * gloss
