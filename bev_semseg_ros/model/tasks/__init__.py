"""Tasks: each folder holds head, targets, loss, postprocessing and metric of one."""
