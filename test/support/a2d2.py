"""Facts about A2D2's files, independent of the code that reads and writes them."""

import numpy as np

# Signs of x, y, z of the corners in `3d_points`, in their order.
CORNER_SIGNS = np.array(
    [
        [-1, 1, -1],
        [1, 1, -1],
        [1, -1, -1],
        [-1, -1, -1],
        [-1, 1, 1],
        [1, 1, 1],
        [1, -1, 1],
        [-1, -1, 1],
    ]
)
