"""Tasks: each folder contains the head, targets, loss, postprocess and metric of one task."""
