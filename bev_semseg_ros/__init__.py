"""Lidar and camera to bird's-eye-view boxes and image segmentation: one network for training and vehicle."""

__version__ = "0.1.0"
