"""The page that shows the statistics of data sets side by side, as one HTML file."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bev_semseg_ros.evaluation.statistics.cloud import RANGES
from bev_semseg_ros.evaluation.statistics.objects import HEIGHT_BINS, SIDES
from bev_semseg_ros.model.tasks.detection.metric import MAX_RANGE, MIN_POINTS
from bev_semseg_ros.visualization.html_table import (
    NOTHING,
    Table,
    interval,
    largest,
    names_of,
    number,
    percent,
    profile,
)

# The fractions of full bars.
MOST_OF_INTENSITIES, MOST_OF_HEIGHTS = 0.4, 0.25

_TITLE = "Statistics of data sets"
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #667; --line: #d5d9de; --back: #fff;
  --track: #eceff2; --bar: #2f6db5; --range: #9bbbdd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e4e8; --soft: #98a; --line: #3a3f46;
  --back: #16181c; --track: #262a30; --bar: #6ba4e8; --range: #3f648d; } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--back);
  margin: 2rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .2rem; }
p { color: var(--soft); margin: .2rem 0 .6rem; max-width: 60rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; font-weight: normal;
  font-variant-numeric: tabular-nums; }
thead th { font-weight: 600; } tbody th { color: var(--soft); }
svg { display: inline-block; margin-right: .5rem; vertical-align: baseline; }
.track { fill: var(--track); } .bar { fill: var(--bar); } .range { fill: var(--range); }
.none, small { color: var(--soft); }
figure { display: inline-block; margin: 0 .8rem .8rem 0; }
figure img { display: block; max-width: 100%; } figcaption { color: var(--soft); }
"""


@dataclass(frozen=True)
class Column:
    """A data set on the page.

    Attributes:
        name: Heading of its column.
        summary: As `DataSetStatistics.summary` returns it.
        pictures: Title and content of a JPEG file, for some of its frames.
    """

    name: str
    summary: Mapping[str, Any]
    pictures: list[tuple[str, bytes]] = field(default_factory=list)


def render_page(columns: Sequence[Column]) -> str:
    """Return the page as HTML that needs no other file.

    Args:
        columns: The data sets, from left to right.
    """
    tables = [
        _frames(columns),
        _points_by_range(columns),
        _intensity(columns),
        _lidars(columns),
        _objects(columns),
        _people(columns),
        *_points_of_objects(columns),
        _sizes(columns),
        _height_profiles(columns),
        _cameras(columns),
        *_pixels(columns),
    ]
    filled = [table for table in tables if table.has_values]
    sections = "\n".join(table.render() for table in filled)
    sheets = "\n".join(_sheet(column) for column in columns if column.pictures)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{_TITLE}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{_TITLE}</h1>\n"
        f"{sections}\n{sheets}\n</body></html>\n"
    )


def _table(columns: Sequence[Column], title: str, note: str) -> Table:
    """Return an empty table with the columns of the page."""
    return Table(title, note, [column.name for column in columns])


def _parts(columns: Sequence[Column], name: str) -> list[Mapping[str, Any]]:
    """Return one part of the summary of each data set."""
    return [column.summary[name] for column in columns]


def _frames(columns: Sequence[Column]) -> Table:
    """Return the table of the numbers of scenes and frames."""
    table = _table(columns, "Frames", "Contents of the data sets.")
    rows: dict[str, Callable[[Mapping[str, Any]], int]] = {
        "frames": lambda summary: summary["frames"],
        "scenes": lambda summary: summary["scenes"],
        "frames with points": lambda summary: summary["points"]["frames"],
        "frames with labelled boxes": lambda summary: summary["objects"]["frames"],
        "labelled images": lambda summary: summary["images"]["masks"],
    }
    for name, value in rows.items():
        table.add(name, [number(value(column.summary), 0) for column in columns])
    return table


def _points_by_range(columns: Sequence[Column]) -> Table:
    """Return the table of points per frame."""
    table = _table(
        columns,
        "Points per frame by range",
        "Horizontal range from the origin of the ego frame, metres. All rows except the first have "
        "only points that are visible in an image, if the frame has a camera.",
    )
    points = [part if part["frames"] else None for part in _parts(columns, "points")]
    for title, key in (("all", "per_frame"), ("in view", "in_view_per_frame")):
        counts = [None if part is None else part[key] for part in points]
        table.add_bars(title, counts, largest(counts), [number(each, 0) for each in counts])
    by_range = [{} if part is None else part["by_range"] for part in points]
    most = largest([count for part in by_range for count in part.values()])
    for name in RANGES:
        counts = [part.get(name) for part in by_range]
        table.add_bars(name, counts, most, [number(each, 0) for each in counts])
    return table


def _intensity(columns: Sequence[Column]) -> Table:
    """Return the table of intensities."""
    table = _table(
        columns, "Intensity", "Of points in view, 0 to 1; by class, of the points in boxes."
    )
    parts = [part["intensity"] for part in _parts(columns, "points")]
    given = [part if part["percentiles"] else None for part in parts]
    if not any(given):
        return table
    table.add(
        "histogram",
        [
            NOTHING if part is None else profile(part["histogram"], MOST_OF_INTENSITIES, False)
            for part in given
        ],
    )
    zeros = [None if part is None else part["zero_share"] for part in given]
    table.add_bars("fraction of zeros", zeros, 1, [percent(each) for each in zeros])
    for name in next(part for part in given if part)["percentiles"]:
        values = [None if part is None else part["percentiles"][name] for part in given]
        table.add_bars(f"{name} %", values, 1, [number(each, 3) for each in values])
    classes = [part["classes"] for part in _parts(columns, "objects")]
    for name in names_of(classes):
        found = [(each.get(name) or {}).get("intensity") for each in classes]
        texts = [
            NOTHING
            if each is None
            else f"{each['50']:.3f} <small>{each['25']:.3f} to {each['75']:.3f}</small>"
            for each in found
        ]
        if any(found):
            table.add(f"in {_words(name)} boxes: median, quartiles", texts)
    return table


def _lidars(columns: Sequence[Column]) -> Table:
    """Return the table of beams and views of the lidars."""
    table = _table(
        columns,
        "Lidars",
        "Beams seen are those found in narrow slices of a cloud, fewer than the lidar has. The "
        "elevation is in the frame of the lidar, without the lowest and highest 0.5 % of points.",
    )
    lidars = [part["lidars"] for part in _parts(columns, "points")]
    values: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "beams by the points' ring": lambda each: number(each["rings"], 0),
        "units in the cloud": lambda each: number(each["units"], 0),
        "beams seen": lambda each: number(each["beams_seen"], 0),
        "elevation, degrees": lambda each: _pair(each["elevation"]),
        "azimuth with points, degrees": lambda each: number(each["azimuth"], 0),
    }
    _add_sensors(table, lidars, values)
    return table


def _add_sensors(
    table: Table,
    sensors: Sequence[Mapping[str, Any]],
    values: Mapping[str, Callable[[Mapping[str, Any]], str]],
) -> None:
    """Add rows that describe each sensor.

    Args:
        table: Receives the rows.
        sensors: For each data set, name of a sensor -> its statistics.
        values: Title of a row -> function that returns the cell of a sensor.
    """
    for name in names_of(sensors):
        found = [each.get(name) for each in sensors]
        for title, value in values.items():
            cells = [NOTHING if each is None else value(each) for each in found]
            if any(cell != NOTHING for cell in cells):
                table.add(f"{name}: {title}", cells)


def _objects(columns: Sequence[Column]) -> Table:
    """Return the table of objects per frame."""
    table = _table(
        columns,
        "Objects per frame",
        f"All labelled boxes, and those that evaluation counts: within {MAX_RANGE:g} m, in the "
        f"grid, in an image if there is a camera, with at least {MIN_POINTS} points. The total "
        "number is in brackets.",
    )
    classes = [part["classes"] for part in _parts(columns, "objects")]
    most = largest([each["per_frame"] for part in classes for each in part.values()])
    for name in names_of(classes):
        found = [part.get(name) for part in classes]
        for title, total, rate in (
            ("", "count", "per_frame"),
            (", counted", "counted", "counted_per_frame"),
        ):
            values = [None if each is None else each[rate] for each in found]
            texts = [
                NOTHING if each is None else f"{each[rate]:.2f} <small>({each[total]:,})</small>"
                for each in found
            ]
            table.add_bars(_words(name) + title, values, most, texts)
    return table


def _people(columns: Sequence[Column]) -> Table:
    """Return the table of frames by their number of people."""
    table = _table(
        columns, "People per frame", "Fraction of the frames, by number of counted pedestrians."
    )
    objects = [part if part["frames"] else None for part in _parts(columns, "objects")]
    images = _parts(columns, "images")
    if any(objects):
        size = max(len(part["people"]) for part in objects if part)
        for count in range(size):
            values = [None if part is None else part["people"][count] for part in objects]
            name = f"{count} or more" if count == size - 1 else str(count)
            table.add_bars(name, values, 1, [percent(each) for each in values])
        values = [None if part is None else part["without_people_and_riders"] for part in objects]
        texts = [percent(each) for each in values]
        table.add_bars("neither pedestrian nor cyclist", values, 1, texts)
    in_masks = [part["without_people"] for part in images]
    if any(value is not None for value in in_masks):
        texts = [percent(each) for each in in_masks]
        table.add_bars("masks without a pedestrian", in_masks, 1, texts)
    return table


def _points_of_objects(columns: Sequence[Column]) -> list[Table]:
    """Return for each class the table of points in its boxes by range."""
    classes = [part["classes"] for part in _parts(columns, "objects")]
    tables = []
    for name in names_of(classes):
        table = _table(
            columns,
            f"Points per {_words(name)} by range",
            "Median number of points in a box and, beside it, the 10th and 90th percentile, for "
            f"boxes within {MAX_RANGE:g} m and in the grid whose centre is visible in an image. "
            "The number of boxes is in brackets. Boxes without points are left out. The scale is "
            "logarithmic.",
        )
        found = [(part.get(name) or {}).get("points", {}) for part in classes]
        most = largest([each["90"] for part in found for each in part.values()])
        for bin_name in RANGES:
            cells = [_spread(part.get(bin_name), most) for part in found]
            if any(cell != NOTHING for cell in cells):
                table.add(bin_name, cells)
        tables.append(table)
    return tables


def _spread(points: Mapping[str, float] | None, most: float) -> str:
    """Return the cell of points per object in one range."""
    if points is None:
        return NOTHING
    return (
        f"{interval(points['10'], points['50'], points['90'], most)}{points['50']:,.0f} "
        f"<small>{points['10']:,.0f} to {points['90']:,.0f} ({points['objects']:,})</small>"
    )


def _sizes(columns: Sequence[Column]) -> Table:
    """Return the table of the sizes of boxes."""
    table = _table(columns, "Sizes of boxes", "Mean and standard deviation in metres.")
    classes = [part["classes"] for part in _parts(columns, "objects")]
    for name in names_of(classes):
        sizes = [(part.get(name) or {}).get("size") for part in classes]
        for side in SIDES if any(sizes) else ():
            cells = [
                NOTHING
                if each is None
                else f"{each[side][0]:.2f} <small>&plusmn;&nbsp;{each[side][1]:.2f}</small>"
                for each in sizes
            ]
            table.add(f"{_words(name)}, {side}", cells)
    return table


def _height_profiles(columns: Sequence[Column]) -> Table:
    """Return the table of how the points are distributed over the height of boxes."""
    table = _table(
        columns,
        "Height profile",
        f"Fraction of the points in {HEIGHT_BINS} equal parts of the height of counted boxes, from "
        f"bottom to top; a full bar is {100 * MOST_OF_HEIGHTS:g} %.",
    )
    classes = [part["classes"] for part in _parts(columns, "objects")]
    for name in names_of(classes):
        shares = [(part.get(name) or {}).get("height_profile", []) for part in classes]
        cells = [profile(each, MOST_OF_HEIGHTS, True) if sum(each) else NOTHING for each in shares]
        if any(cell != NOTHING for cell in cells):
            table.add(_words(name), cells)
    return table


def _cameras(columns: Sequence[Column]) -> Table:
    """Return the table of images."""
    table = _table(columns, "Cameras", "Sizes of the recorded images; views of the rectified ones.")
    cameras = [part["cameras"] for part in _parts(columns, "images")]
    values: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "width x height (images)": lambda each: _sizes_of_images(each["sizes"]),
        "horizontal and vertical view, degrees": lambda each: _pair(each["field_of_view"]),
    }
    _add_sensors(table, cameras, values)
    return table


def _sizes_of_images(sizes: Sequence[Sequence[int]]) -> str:
    """Return the cell of the sizes of a camera's images: width, height and number of each."""
    return "<br>".join(
        f"{width} x {height} <small>({count:,})</small>" for width, height, count in sizes
    )


def _pixels(columns: Sequence[Column]) -> list[Table]:
    """Return a table for each label set that all data sets with masks have in common."""
    pixels = [part["pixels"] for part in _parts(columns, "images")]
    num_labelled = sum(bool(each) for each in pixels)
    tables = []
    for labels in names_of(pixels):
        found = [each.get(labels) for each in pixels]
        if sum(bool(each) for each in found) < num_labelled:
            continue
        table = _table(
            columns, f"Pixels per class, {labels}", "Fraction of the pixels that have a class."
        )
        values = [share for each in found if each for share in each.values()]
        for name in next(each for each in found if each):
            row = [None if each is None else each[name] for each in found]
            texts = [percent(each, 2) for each in row]
            table.add_bars(_words(name), row, max(values), texts)
        tables.append(table)
    return tables


def _sheet(column: Column) -> str:
    """Return the pictures of a data set."""
    figures = []
    for title, picture in column.pictures:
        data = base64.b64encode(picture).decode()
        text = html.escape(title)
        figures.append(
            f'<figure><img alt="{text}" src="data:image/jpeg;base64,{data}">'
            f"<figcaption>{text}</figcaption></figure>"
        )
    return f"<section><h2>{html.escape(column.name)}</h2>{''.join(figures)}</section>"


def _pair(values: Sequence[float] | None) -> str:
    """Format two numbers."""
    return NOTHING if values is None else f"{values[0]:.1f}, {values[1]:.1f}"


def _words(name: str) -> str:
    """Return the name of a class in words."""
    return name.replace("_", " ")
