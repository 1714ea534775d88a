"""The profile of Fast DDS for test processes, which have several participants each."""

from __future__ import annotations

from pathlib import Path

from bev_semseg_ros.resources import share_path

_SETTINGS = """<dds>
  <library_settings>
    <intraprocess_delivery>USER_DATA_ONLY</intraprocess_delivery>
  </library_settings>"""


def write_profile(folder: Path) -> Path:
    """Write the shipped profile, but with discovery messages over the transports.

    By default, the participants of a process give such messages to each other directly. If one of
    them destroys a publisher while another one notices that a killed process is gone, the two may
    wait for each other forever (Fast DDS 2.14, github.com/eProsima/Fast-DDS/issues/6502).

    Args:
        folder: Folder of the file.
    """
    path = folder / "fastdds.xml"
    shipped = share_path("config/fastdds_shm.xml").read_text()
    assert shipped.count("<dds>") == 1
    path.write_text(shipped.replace("<dds>", _SETTINGS))
    return path
