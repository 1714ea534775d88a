"""The semantic segmentation of the image."""
