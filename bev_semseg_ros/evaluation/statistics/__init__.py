"""Statistics of labelled frames, taken frame by frame, so that data sets can be compared."""
