"""Progress on stderr, as it is written without a terminal."""

from __future__ import annotations

from bev_semseg_ros.progress import Progress


def test_the_last_line_says_how_much_is_done(capsys):
    with Progress("train", 10, "minutes") as progress:
        progress.advance(2)
        progress.advance(3, "loss 0.5")
    line = capsys.readouterr().err
    assert line.startswith("train: 50 % (5 of 10 minutes), 0:00 elapsed, ")
    assert line.endswith("left, loss 0.5\n")


def test_the_last_line_is_written_once(capsys, monkeypatch):
    monkeypatch.setattr("bev_semseg_ros.progress.LINE_SECONDS", 0)
    with Progress("train", 2) as progress:
        progress.advance()
        progress.advance()
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "train: 50 % (1 of 2 frames)",
        "train: 100 % (2 of 2 frames)",
    ]


def test_a_task_that_is_not_shown_writes_nothing(capsys):
    with Progress("train", 10, shown=False) as progress:
        progress.advance(10)
    assert capsys.readouterr().err == ""


def test_a_task_that_continues_counts_what_was_done_before(capsys):
    with Progress("train", 10) as progress:
        progress.start_at(8)
        progress.advance()
    assert "90 % (9 of 10 frames)" in capsys.readouterr().err
