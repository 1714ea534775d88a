"""The semantic segmentation of single points."""
