"""A page in which one walks through the pictures of a folder with the arrow keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bev_semseg_ros.output_path import write_file

NAME = "index.html"
_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Pictures</title>
<style>
  body {margin: 0; background: #181818; color: #ddd; font: 14px sans-serif}
  header {display: flex; gap: 1em; align-items: center; padding: .5em 1em}
  #slider {flex: 1}
  img {display: block; max-width: 100%; max-height: calc(100vh - 3em); margin: auto}
</style>
<header>
  <span id="position"></span>
  <input id="slider" type="range" min="0" aria-label="picture">
  <span>keys: &larr; &rarr; Page Up, Page Down (10 pictures), Home, End</span>
</header>
<img id="picture" alt="">
<script>
  const names = NAMES;
  const slider = document.getElementById("slider");
  const picture = document.getElementById("picture");
  const steps = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10,
                 Home: -names.length, End: names.length};
  let current = 0;
  function url(index) {
    return encodeURIComponent(names[index]);
  }
  function show(index) {
    current = Math.min(Math.max(index, 0), names.length - 1);
    picture.src = url(current);
    picture.alt = names[current];
    slider.value = current;
    document.getElementById("position").textContent =
      `${current + 1} of ${names.length}: ${names[current]}`;
    history.replaceState(null, "", `#${current + 1}`);
    for (const next of [current + 1, current - 1])  // the browser loads the neighbours in advance
      if (next in names) new Image().src = url(next);
  }
  slider.max = names.length - 1;
  slider.oninput = () => show(Number(slider.value));
  document.onkeydown = event => {
    if (event.key in steps) {
      event.preventDefault();
      show(current + steps[event.key]);
    }
  };
  show(Number(location.hash.slice(1)) - 1 || 0);
</script>
</html>
"""


def write_picture_page(folder: Path, names: Sequence[str]) -> Path:
    """Write the page beside the pictures. It needs no server and no other files.

    Args:
        folder: The folder of the pictures.
        names: Names of the picture files, in the order in which they are shown; at least one.

    Returns:
        The path of the page.

    Raises:
        OSError: The page cannot be written.
    """
    path = folder / NAME
    listed = json.dumps(list(names)).replace("<", "\\u003c")  # a name must not end the script
    write_file(path, _TEMPLATE.replace("NAMES", listed))
    return path
