"""Pictures of ground truth and predictions: numpy and OpenCV, RGB uint8 in and out."""
