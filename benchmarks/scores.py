"""Print scores of boxes."""

from __future__ import annotations

from bev_semseg_ros.evaluation.report import Report


def print_boxes(title: str, report: Report) -> None:
    """Print the average precision of each class that has labels."""
    result = report.result()["detection"]
    mean = result["map"]
    print(f"\n{title}: " + ("no labels that count" if mean is None else f"mAP {mean:.3f}"))
    for label, scores in result["classes"].items():
        if scores["ap"] is not None:
            low, high = scores["interval_2m"]
            print(
                f"  {label:11} {scores['num_truth']:4} labels, AP {scores['ap']:.3f}, "
                f"at 2 m {scores['ap_2m']:.3f} ({low:.3f}-{high:.3f})"
            )
