"""What the documents say is what the code does. `python test/test_docs.py` writes the generated parts anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bev_semseg_ros.ros.parameters import markdown_table

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Parameters of the perception node

Generated from `bev_semseg_ros/ros/parameters.py`. *Live* parameters take effect at once (`ros2 param set`); the others
are read when the node is configured.

"""


def parameters_document() -> str:
    return HEAD + markdown_table()


def test_the_parameters_document_is_the_code_s() -> None:
    assert (ROOT / "docs" / "parameters.md").read_text() == parameters_document(), "run python test/test_docs.py"


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    assert [target for target in targets if "://" not in target and not (document.parent / target).exists()] == []


def test_the_deployment_document_names_every_exit_code() -> None:
    pytest.importorskip("rclpy")
    from bev_semseg_ros.ros.node import EXIT_CODES

    text = (ROOT / "docs" / "deployment.md").read_text()
    assert [code for code, meaning in EXIT_CODES.items() if f"| {code} | {meaning} |" not in text] == []


def test_the_reliability_document_has_a_place_for_every_result_and_names_its_command() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    for program in (ROOT / "benchmarks").glob("*.py"):
        for name in re.findall(r"\bwrite\(\"(\w+)\"", program.read_text()):
            assert f"<!-- {name} -->\n" in text and f"<!-- /{name} -->" in text and f"benchmarks/{program.name}" in text


def test_the_readme_names_every_command() -> None:
    from bev_semseg_ros.cli.main import COMMANDS

    text = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"bev-semseg {name}" not in text and f"make {name}" not in text] == []


def test_the_readme_names_every_output_topic() -> None:
    from bev_semseg_ros.ros.outputs import TOPICS

    text = (ROOT / "README.md").read_text()
    assert [topic for topic in TOPICS if f"`{topic}`" not in text] == []


if __name__ == "__main__":
    (ROOT / "docs" / "parameters.md").write_text(parameters_document())
