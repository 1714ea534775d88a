"""Specification of a ROS parameter: its default, allowed values and description."""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Specification:
    """The specification of one parameter.

    Attributes:
        name: Name of the parameter.
        default: Default value. A tuple that is not empty makes the parameter an array of the type
            of its elements, which cannot be empty (ROS has no type for an empty array). An empty
            tuple makes it an array of `length` floats, or without `length` an array of names.
        description: Meaning of the parameter.
        choices: Allowed values; for an array, of its elements.
        limits: Lowest and highest allowed value; for an array, of its elements.
        is_live: Whether a change takes effect at once; otherwise, at the next configure.
        length: Number of elements of an array of floats, which may also be empty.
        is_fixed: Whether the parameter cannot be changed while the node runs.
    """

    name: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    is_live: bool = False
    length: int | None = None
    is_fixed: bool = False

    @property
    def is_array(self) -> bool:
        """True if the parameter is an array."""
        return isinstance(self.default, tuple)

    @property
    def allowed(self) -> str:
        """Allowed values, in words."""
        if self.choices:
            text = ", ".join(self.choices)
        elif self.limits:
            text = f"{self.limits[0]:g} to {self.limits[1]:g}"
        else:
            text = self._type_name
        if not self.is_array:
            return text
        if self.length is not None:
            return f"array of {self.length}: {text}"
        return f"array of: {text}" if self.default else "array of names"

    def check(self, value: Any) -> Any:
        """Check a value and convert it: an array to a tuple, and int to float if necessary.

        Raises:
            ValueError: If the value is not allowed; the message names the parameter.
        """
        if not self.is_array:
            return self._checked(value)
        is_sequence = isinstance(value, Sequence | array.array) and not isinstance(value, str)
        if not is_sequence or not self._is_length(len(value)):
            raise ValueError(f"parameter {self.name}: expected {self._type_name}, got {value!r}")
        return tuple(self._checked(element) for element in value)

    def descriptor(self) -> Any:
        """Return the rcl_interfaces/ParameterDescriptor."""
        from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

        descriptor = ParameterDescriptor(description=self.description, read_only=self.is_fixed)
        if self.is_array:  # ROS has ranges only for scalars
            descriptor.additional_constraints = self.allowed
        elif self.limits and isinstance(self.default, float):
            low, high = self.limits
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.limits:
            low, high = map(int, self.limits)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        elif self.choices:
            descriptor.additional_constraints = "one of " + ", ".join(self.choices)
        return descriptor

    def table_row(self) -> str:
        """Return the row of the parameter in the table of docs/parameters.md."""
        if isinstance(self.default, bool):
            default = f"`{str(self.default).lower()}`"
        elif self.default in ("", ()):
            default = "empty"
        elif self.is_array:
            default = f"`[{', '.join(map(str, self.default))}]`"
        else:
            default = f"`{self.default}`"
        live = "yes" if self.is_live else "no"
        return f"| `{self.name}` | {default} | {self.allowed} | {live} | {self.description} |"

    @property
    def _element_type(self) -> type:
        if not self.is_array:
            return type(self.default)
        if self.default:
            return type(self.default[0])
        return str if self.length is None else float

    @property
    def _type_name(self) -> str:
        name = self._element_type.__name__
        if not self.is_array:
            return name
        if self.length is not None:
            return f"array of {self.length} {name}"
        return f"array of {name}, at least one" if self.default else f"array of {name}"

    def _is_length(self, length: int) -> bool:
        if self.length is not None:
            return length in (0, self.length)
        return length > 0 or not self.default

    def _checked(self, value: Any) -> Any:
        """Check a scalar value or an element of an array, and convert int to float if necessary."""
        if self._element_type is float and type(value) is int:
            value = float(value)
        if type(value) is not self._element_type:  # also rejects a bool for an int
            raise ValueError(f"parameter {self.name}: expected {self._type_name}, got {value!r}")
        if self.choices and value not in self.choices:
            raise ValueError(
                f"parameter {self.name}: {value!r} is not one of {', '.join(self.choices)}"
            )
        if self.limits:
            self._check_range(value, *self.limits)
        return value

    def _check_range(self, value: Any, low: float, high: float) -> None:
        if not low <= value <= high:
            raise ValueError(f"parameter {self.name}: {value} is outside {low:g}..{high:g}")


def parameter(
    default: Any,
    description: str,
    *,
    choices: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
    live: bool = False,
    length: int | None = None,
    fixed: bool = False,
) -> Any:
    """Return a dataclass field that is a parameter; see `Specification`."""
    specification = Specification("", default, description, choices, limits, live, length, fixed)
    return dataclasses.field(default=default, metadata={"specification": specification})


def specifications_of(parameters: type) -> dict[str, Specification]:
    """Return the specifications of the fields of a dataclass that are parameters, by name."""
    return {
        item.name: dataclasses.replace(item.metadata["specification"], name=item.name)
        for item in dataclasses.fields(parameters)
        if "specification" in item.metadata
    }
