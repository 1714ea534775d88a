"""The detection of boxes in the bird's-eye view, by heatmaps of their centres."""
