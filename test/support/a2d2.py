"""What is known of A2D2's files, written down apart from the code that reads and writes them."""

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
