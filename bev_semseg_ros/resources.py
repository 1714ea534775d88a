"""Finds the installed files of the package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = "bev_semseg_ros"


def share_path(name: str) -> Path:
    """Return the path of a file or folder in share/bev_semseg_ros.

    The places searched are, in this order: a sourced workspace (ament index), the folder of the
    package's source, and the folder where pip installs data files.

    Args:
        name: Path within this folder, such as "config/perception.yaml".

    Raises:
        FileNotFoundError: The file is in none of these places; the message lists them.
    """
    folders = []
    try:
        from ament_index_python.packages import get_package_share_directory

        folders.append(Path(get_package_share_directory(PACKAGE)))
    except (ImportError, LookupError, OSError, ValueError):
        pass  # no ROS, no workspace sourced, or one without this package
    source = Path(__file__).resolve().parents[1]
    # pip puts the data into PREFIX/share, and the package into PREFIX/lib/pythonX.Y/site-packages.
    # With --user or --prefix, PREFIX is not that of Python. With --target, both are in one folder.
    folders += [source, (source / "../../../share" / PACKAGE).resolve(), source / "share" / PACKAGE]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"{name} is in none of {', '.join(map(str, folders))}; reinstall {PACKAGE}"
    )


def shipped_checkpoint() -> Path:
    """Return the path of the shipped checkpoint.

    Raises:
        FileNotFoundError: The checkpoint is not installed.
    """
    return share_path("weights/bev_semseg.pt")
