"""YAML files of plain values are read; whatever else they hold is refused with file and line."""

from __future__ import annotations

import pytest

from bev_semseg_ros.yaml_file import parse_yaml, read_yaml


def test_plain_values_are_read(tmp_path):
    path = tmp_path / "a.yaml"
    text = "\ufeffname: Stra\u00dfe  # begins with a byte order mark\nrates: [4e-3, 1, 2.5]"
    path.write_bytes(text.encode())
    assert read_yaml(path) == {"name": "Stra\u00dfe", "rates": [0.004, 1, 2.5]}


def test_an_empty_file_is_read_as_none(tmp_path):
    (tmp_path / "a.yaml").touch()
    assert read_yaml(tmp_path / "a.yaml") is None


DAMAGED = {
    "cut off": ("a: {b: 1", "damaged YAML: line 1: expected"),
    "key twice": ("a: 1\nb: 2\na: 3", "damaged YAML: line 3: the key 'a' occurs twice"),
    "key twice, below": ("a:\n  b: 1\n  b: 2", "line 3: the key 'b' occurs twice"),
    "key twice in a list": ("- {b: 1, 'b': 2}", "line 1: the key 'b' occurs twice"),
    "alias": ("a: &a 1\nb: *a", r"line 2: aliases such as \*name are not read"),
    "merged mapping": ("a: &a {x: 1}\nb: {<<: *a}", "line 2: aliases"),
    "object": ("a: !!python/object/apply:os.getcwd []", "line 1: could not determine"),
    "two documents": ("a: 1\n---\na: 2", "damaged YAML: line 2: "),
    "list as key": ("? [1]\n: 2", "line 1: found unhashable key"),
    "no such day": ("a: !!timestamp 2001-13-40", "month must be in 1..12"),
    "tag that does not fit": ("a: !!int x", "invalid literal"),
    "another tag": ("a: !!bool x", "damaged YAML: "),
    "deep": ("[" * 5000, "damaged YAML: "),
    "control character": ("a: \0", "damaged YAML: "),
    "UTF-16": ("a: 1".encode("utf-16"), "not UTF-8 text .*save the file as UTF-8"),
    "Latin-1": ("name: Stra\u00dfe".encode("latin-1"), "not UTF-8 text .*save the file as UTF-8"),
    "huge": ("#" * 200_001, "more than 200000 bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_its_name_and_the_line(tmp_path, name):
    content, reason = DAMAGED[name]
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=rf"(?s)a\.yaml: .*{reason}"):
        read_yaml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        read_yaml(tmp_path / "none.yaml")


def test_a_date_is_text():
    assert parse_yaml("{name: 2020-01-01, other: 2001-13-40}") == {
        "name": "2020-01-01",
        "other": "2001-13-40",
    }


def test_a_single_value_is_parsed():
    assert parse_yaml("[448, 288]") == [448, 288] and parse_yaml("2e-3") == 0.002
