"""The semantic segmentation of the bird's-eye view."""
