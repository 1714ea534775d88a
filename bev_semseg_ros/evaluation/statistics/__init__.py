"""Statistics of labelled frames, collected frame by frame, for comparing data sets."""
