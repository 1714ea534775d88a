"""Appearance of a material at a point: noise, stains, cracks, and patterns such as facades."""

from __future__ import annotations

import math

from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN, PATTERNS
from bev_semseg_ros.sim.render.noise import fractal_noise, hash_unit, inline, value_noise

ALBEDO, ALBEDO2, ALBEDO3 = (CAMERA_COLUMN[name] for name in ("albedo_r", "albedo2_r", "albedo3_r"))
_NOISE_FREQUENCY = CAMERA_COLUMN["noise_frequency"]
_NOISE_CONTRAST = CAMERA_COLUMN["noise_contrast"]
_FINE_CONTRAST = CAMERA_COLUMN["fine_contrast"]
_FINE_FREQUENCY = CAMERA_COLUMN["fine_frequency"]
_STAIN_CONTRAST = CAMERA_COLUMN["stain_contrast"]
_ANISOTROPY = CAMERA_COLUMN["anisotropy"]
_CRACK = CAMERA_COLUMN["crack"]
_PATTERN = CAMERA_COLUMN["pattern"]
_PATTERN_U = CAMERA_COLUMN["pattern_u"]
_PATTERN_V = CAMERA_COLUMN["pattern_v"]
_LINE = CAMERA_COLUMN["pattern_line"]
_CONTRAST = CAMERA_COLUMN["pattern_contrast"]
_EXTRA = CAMERA_COLUMN["pattern_extra"]
_SPECULAR = CAMERA_COLUMN["specular"]
_FRESNEL = CAMERA_COLUMN["fresnel"]
_EMISSION = CAMERA_COLUMN["emission"]
_SEED = CAMERA_COLUMN["seed"]
_BRICKS, _FACADE, _SLABS, _PANELS, _STRIPES, _BLOCKS = (
    PATTERNS.index(name) for name in ("bricks", "facade", "slabs", "panels", "stripes", "blocks")
)

# Columns of a surface at a point: linear albedo (3), mirror weight, reflectance at normal
# incidence, emission, and a vector (3) to add to the normal.
RED, GREEN, BLUE, SPECULAR, FRESNEL, EMISSION, BEND, SURFACE = 0, 1, 2, 3, 4, 5, 6, 9


@inline
def _detail(period, footprint):
    """Return 1 if a pixel resolves `period` metres, falling to 0 where detail would alias."""
    return min(max(1.6 - 2.2 * footprint / period, 0.0), 1.0)


@inline
def _blend(surface, table, m, column, weight):
    """Blend the surface's colour towards the colour in three columns, starting at `column`."""
    for c in range(3):
        surface[c] += (table[m, column + c] - surface[c]) * weight


@inline
def _grey(surface, value):
    """Make the surface grey."""
    surface[RED] = surface[GREEN] = surface[BLUE] = value


@inline
def _masonry(surface, u, v, width, height, joint, contrast, staggered, seed, footprint, table, m):
    """Draw the joints of bricks or slabs; return the brightness of the brick."""
    detail = _detail(min(width, height), footprint)
    if detail <= 0:
        return 1.0
    row = math.floor(v / height)
    shifted = u / width + (0.5 if staggered and int(row) & 1 else 0.0)
    column = math.floor(shifted)
    if (shifted - column) * width < joint or v - row * height < joint:
        _blend(surface, table, m, ALBEDO3, detail)
    return 1 + contrast * (hash_unit(int(column), int(row), seed) - 0.5) * detail


@inline
def _pane(surface, column, row, reflectance):
    """Make the surface a window pane: a mirror that is slightly tilted in its frame."""
    surface[SPECULAR] = 1.0
    surface[FRESNEL] = reflectance
    surface[BEND] = (hash_unit(column, row, 91) - 0.5) * 0.12
    surface[BEND + 1] = (hash_unit(column, row, 92) - 0.5) * 0.12
    surface[BEND + 2] = (hash_unit(column, row, 93) - 0.5) * 0.10


@inline
def _shop(surface, noise, table, m, u, v, bay, height, seed):
    """Draw the shop floor of a facade: a fascia with letters, and shop windows with goods below."""
    column = math.floor(u / bay)
    shop = int(column)
    across = u / bay - column
    tenant = shop // 2
    if v > height - 0.7:
        saturation, value = (
            hash_unit(tenant + 17, 5, seed + 9),
            0.04 + 0.8 * hash_unit(tenant + 3, 9, seed + 2),
        )
        letter = (
            hash_unit(math.floor(u * 3.1), shop, seed + 5) < 0.4 and height - 0.5 < v < height - 0.2
        )
        for c in range(3):
            surface[c] = value * (
                1 - saturation * saturation * hash_unit(tenant, c + 11, seed + 31 * c)
            )
            if letter:
                surface[c] = 0.9 * hash_unit(tenant, c + 4, seed + 9)
        return
    variant = hash_unit(shop, 3, seed)
    if not 0.08 < across < 0.92 or v < 0.35 * variant:
        for c in range(3):
            surface[c] = table[m, ALBEDO3 + c] * 0.5 * variant
        return
    brightness = 0.05 + 0.5 * hash_unit(shop, 8, seed) ** 3
    goods = (
        value_noise(noise, u * 2.3 + seed, v * 1.6, seed * 0.1) * 0.7
        + value_noise(noise, u * 5.7 + seed, v * 3.9, seed * 0.2 + 7) * 0.6
        - 0.6
    )
    wide, narrow = math.floor(u * 1.3), math.floor(u * 2.1)
    lamp = hash_unit(wide, math.floor(v * 1.7), seed + 2)
    for c in range(3):
        surface[c] = 0.012 + brightness * (
            0.25 * lamp * hash_unit(wide, c, seed + 7)
            + max(goods, 0.0) * hash_unit(narrow, c + 20, seed)
        )
    if abs(across - 0.5) < 0.012 or 2.2 < v < 2.26:
        for c in range(3):
            surface[c] = table[m, ALBEDO3 + c] * 0.6
    elif v < 0.95 and (u * 0.37) % 1.0 < 0.3 * variant:  # an object in front of the window
        for c in range(3):
            surface[c] = 0.5 * hash_unit(math.floor(u * 0.37), c + 40, seed)
    elif 1.1 < v < 2.0 and (u * 0.8) % 1.0 < 0.6 and hash_unit(math.floor(u * 0.8), 50, seed) < 0.2:
        # A poster.
        for c in range(3):
            surface[c] = 0.9 * hash_unit(math.floor(u * 0.8), c + 60, seed)
    surface[EMISSION] += 0.25 * max(lamp - 0.7, 0.0)
    _pane(surface, shop, 0, 0.08)


@inline
def _facade(surface, noise, table, m, u, v, seed, footprint, stained):
    """Draw storeys of windows above a shop floor; return the brightness of the wall.

    The emission of a facade is that of its windows that are lit at night.
    """
    glow = surface[EMISSION]
    surface[EMISSION] = 0.0
    bay, storey, shop_height = table[m, _PATTERN_U], table[m, _PATTERN_V], table[m, _EXTRA]
    if v < shop_height:
        _shop(surface, noise, table, m, u, v, bay * 1.7, shop_height, seed)
        surface[EMISSION] *= 0.04 + glow if glow > 0 else 1.0
        return 1.0
    # Style of the whole facade: 1 has arches, 2 and 3 have surrounds, 3 has pilasters.
    style = int(hash_unit(7, 7, seed) * 4)
    column, row = math.floor(u / bay), math.floor((v - shop_height) / storey)
    across, up = (u / bay - column - 0.5) * bay, ((v - shop_height) / storey - row - 0.5) * storey
    half_width, half_height = 0.5 * bay * table[m, _LINE], 0.5 * storey * table[m, _CONTRAST]
    inside = abs(across) < half_width and abs(up) < half_height
    if style == 1 and half_width < 0.8 and up > 0.4 * half_height:
        rise = (up - 0.4 * half_height) / (0.6 * half_height)
        inside = inside and (across / half_width) ** 2 + rise * rise < 1
    if inside:
        frame = 0.05 + 0.03 * half_width
        if (
            abs(across) > half_width - frame
            or abs(up) > half_height - frame
            or (half_width > 0.35 and abs(across) < 0.03)
        ):
            _blend(surface, table, m, ALBEDO3, 1.0)
            return 1.0
        variant = hash_unit(column, row, seed)
        if variant < 0.18:  # curtain
            _grey(surface, 0.35 + 0.3 * hash_unit(row, column, 1))
        elif variant < 0.3 and up > (variant - 0.24) * 20 * half_height:  # half-lowered blind
            _grey(surface, 0.55)
        else:
            _grey(surface, 0.015 + 0.05 * variant)
        if glow > 0 and hash_unit(row + 5, column + 9, seed) < 0.25:
            surface[RED], surface[GREEN] = 0.9, 0.6 + 0.25 * variant
            surface[BLUE] = 0.3 + 0.5 * hash_unit(column, row, seed + 4)
            surface[EMISSION] = glow * (0.3 + variant)
        _pane(surface, column, row, 0.06 + 0.3 * hash_unit(3, 5, seed))
        return 1.0
    if style >= 2 and abs(across) < half_width + 0.16 and abs(up) < half_height + 0.16:
        _blend(surface, table, m, ALBEDO3, 0.7)
    elif abs(across) < half_width + 0.1 and -half_height - 0.12 < up < -half_height:  # sill
        return 1.25
    elif up > 0.5 * storey - 0.14 and hash_unit(8, 8, seed) < 0.5:  # cornice between storeys
        return 1.25 if style > 1 else 0.7
    elif style == 3 and abs(across) > 0.5 * bay - 0.2 and hash_unit(9, 9, seed) < 0.5:
        return 1.2
    elif stained > 0.3 and footprint < 0.06:  # the plaster of old walls shows bricks
        return _masonry(surface, u, v, 0.25, 0.083, 0.013, 0.5, True, seed, footprint, table, m)
    return 0.96 + 0.08 * hash_unit(row, 0, seed + 1)


@inline
def sample_surface(noise, table, m, x, y, z, u, v, footprint, surface):
    """Write the appearance of a material at a point into `surface` (SURFACE,).

    Args:
        noise: NOISE.
        table: `MaterialTable.camera`.
        m: Row of that table.
        x, y, z: World point in metres.
        u, v: Texture coordinates in metres.
        footprint: Size of the pixel on the surface in metres; finer detail fades out instead of
            aliasing.
        surface: Receives the columns RED to BEND + 2.
    """
    seed = table[m, _SEED]
    surface[SPECULAR], surface[FRESNEL] = table[m, _SPECULAR], table[m, _FRESNEL]
    surface[EMISSION] = table[m, _EMISSION]
    surface[BEND] = surface[BEND + 1] = surface[BEND + 2] = 0.0
    anisotropy = table[m, _ANISOTROPY]
    if anisotropy != 1:
        x, y, z = u * anisotropy, v, seed
    frequency = table[m, _NOISE_FREQUENCY]
    blend = 0.5
    if table[m, _NOISE_CONTRAST] > 0:
        blend += table[m, _NOISE_CONTRAST] * fractal_noise(
            noise, x, y, z, frequency, footprint, seed, 3
        )
        blend = min(max(blend, 0.0), 1.0)
    for c in range(3):
        surface[c] = table[m, ALBEDO + c] + (table[m, ALBEDO2 + c] - table[m, ALBEDO + c]) * blend
    brightness = 1.0
    stain = table[m, _STAIN_CONTRAST]
    if stain > 0:
        brightness += stain * fractal_noise(
            noise, x, y, z, 0.13 * frequency, footprint, seed + 11, 2
        )
    if table[m, _FINE_CONTRAST] > 0:
        brightness += table[m, _FINE_CONTRAST] * fractal_noise(
            noise, x, y, z, table[m, _FINE_FREQUENCY], footprint, seed + 3, 2
        )
    crack = table[m, _CRACK]
    if crack > 0 and footprint < 0.1:
        line = abs(
            value_noise(noise, x * 0.9 + seed, y * 0.9, z)
            + 0.4 * value_noise(noise, x * 3.1, y * 3.1 + seed, z)
            - 0.7
        )
        width = 0.012 + 0.2 * footprint
        if line < width:
            brightness *= 1 - crack * 0.012 / width
    pattern = table[m, _PATTERN]
    if pattern > 0:
        integer_seed = int(seed)
        if pattern == _FACADE:
            brightness *= _facade(surface, noise, table, m, u, v, integer_seed, footprint, stain)
        elif pattern in (_BRICKS, _SLABS):
            brightness *= _masonry(
                surface,
                u,
                v,
                table[m, _PATTERN_U],
                table[m, _PATTERN_V],
                table[m, _LINE],
                table[m, _CONTRAST],
                pattern == _BRICKS,
                integer_seed,
                footprint,
                table,
                m,
            )
        elif pattern == _PANELS:
            if (u / table[m, _PATTERN_U]) % 1.0 < table[m, _LINE]:
                _blend(surface, table, m, ALBEDO3, _detail(table[m, _PATTERN_U], footprint))
        elif pattern == _STRIPES:
            phase = (v / table[m, _PATTERN_U]) % 1.0
            brightness *= 1 + table[m, _CONTRAST] * (phase - 0.5) * _detail(
                table[m, _PATTERN_U], footprint
            )
        elif pattern == _BLOCKS:  # writing and pictures on signs
            chance = hash_unit(
                math.floor(u / table[m, _PATTERN_U]),
                math.floor(v / table[m, _PATTERN_V]),
                integer_seed,
            )
            if chance < table[m, _LINE]:
                _blend(surface, table, m, ALBEDO3, 1.0)
            elif chance > 0.93:
                for c in range(3):
                    surface[c] = 1 - surface[c]
    for c in range(3):
        surface[c] = max(surface[c] * brightness, 0.0)
