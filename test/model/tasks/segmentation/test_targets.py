import numpy as np
import pytest

from bev_semseg_ros.labels import MASK_IGNORED, load_label_set
from bev_semseg_ros.model.tasks.segmentation.targets import (
    collate_masks,
    encode_mask,
    subsample,
)

DRIVING, A2D2, GROUPS, CAMVID = (
    load_label_set(name) for name in ("driving_13", "a2d2_38", "groups_6", "camvid_11")
)


def test_the_mask_is_halved_without_moving_edges():
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 21:] = 5  # an edge within a pair of pixels
    half = subsample(mask)
    assert half.shape == (20, 20)
    assert (half == 5).mean() == pytest.approx(19 / 40, abs=1e-6)


def test_targets_have_the_index_of_their_frame():
    mask = np.full((16, 24), 3, np.uint8)
    encoded = encode_mask(mask, DRIVING, DRIVING)
    targets = collate_masks([None, encoded, None, encoded])
    assert list(targets) == [DRIVING]
    assert targets[DRIVING]["frames"].tolist() == [1, 3]
    assert targets[DRIVING]["mask"].shape == (2, 8, 12)
    assert (targets[DRIVING]["mask"] == 3).all()


def test_a_batch_without_masks_has_no_targets():
    assert collate_masks([None, None]) is None


def test_masks_of_different_size_are_refused():
    frames = [
        encode_mask(np.zeros(size, np.uint8), DRIVING, DRIVING) for size in ((16, 24), (8, 8))
    ]
    with pytest.raises(ValueError, match="one size"):
        collate_masks(frames)


def test_a_finer_mask_is_mapped_to_the_classes_of_the_network():
    names = ["Car", "Zebra crossing", "Ego car", "Tractor"]
    mask = np.repeat(np.array([A2D2.index(name) for name in names], np.uint8), 8)
    encoded = encode_mask(np.tile(mask, (4, 1)), A2D2, DRIVING)
    assert encoded.labels == DRIVING
    expected = [DRIVING.index(name) for name in ("car", "lane_marking")]
    expected += [MASK_IGNORED, DRIVING.index("truck")]
    assert encoded.mask[0, ::4].tolist() == expected


def test_a_coarser_mask_stays_in_its_own_classes():
    mask = np.full((4, 8), GROUPS.index("vehicle"), np.uint8)
    mask[:2] = MASK_IGNORED
    encoded = encode_mask(mask, GROUPS, DRIVING)
    assert encoded.labels == GROUPS
    assert encoded.mask.tolist() == [[MASK_IGNORED] * 4, [GROUPS.index("vehicle")] * 4]


def test_a_mask_of_another_data_set_is_mapped_to_the_classes_of_the_network():
    mask = np.full((4, 8), A2D2.index("Truck"), np.uint8)
    encoded = encode_mask(mask, A2D2, CAMVID)
    assert encoded.labels == CAMVID
    assert (encoded.mask == CAMVID.index("car")).all()


def test_a_batch_keeps_the_masks_of_each_label_set_apart():
    mask = np.zeros((8, 8), np.uint8)
    encoded = [encode_mask(mask, labels, A2D2) for labels in (A2D2, GROUPS, DRIVING, GROUPS)]
    frames = {
        labels.name: part["frames"].tolist() for labels, part in collate_masks(encoded).items()
    }
    assert frames == {"a2d2_38": [0], "groups_6": [1, 3], "driving_13": [2]}
