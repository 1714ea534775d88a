"""Draw ground truth and predictions with NumPy and OpenCV. All pictures are RGB uint8."""
