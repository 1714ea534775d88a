"""Warn of what is assumed about the messages of one sensor."""

from __future__ import annotations

from bev_semseg_ros.ros.convert.message import Note
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.parameters.sensors import Sensor

MOST_NOTES = 20  # limit of different warnings per sensor, in case a driver keeps varying them


class Assumptions:
    """Warns of each assumption about the messages of a sensor, once."""

    def __init__(self, sensor: Sensor, health: Health) -> None:
        """Start without assumptions.

        Args:
            sensor: The sensor. Warnings name it if it has a name.
            health: Takes warnings.
        """
        self._sensor, self._health = sensor, health
        self._where = f" of {sensor.name}" if sensor.prefix else ""
        self._said: set[str] = set()

    def about(self, noun: str) -> Note:
        """Return a function that warns of an assumption about a message, which `noun` names."""

        def warn_once(text: str, remedy: str) -> None:
            warning = f"{noun}{self._where}: {text}; {remedy}"
            if warning not in self._said and len(self._said) < MOST_NOTES:
                self._said.add(warning)
                self._health.warn(f"{self._sensor.prefix}{noun}: {text}", warning)

        return warn_once
