"""HDR to SDR, against the curves of ITU-R BT.2100 written down here the other way round."""

import numpy as np
import pytest

from mindone_tae.data.readers.colour.tone_mapping import tone_map


def pq_code(nits):
    """The inverse EOTF of PQ."""
    y = (np.asarray(nits) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg_code(nits):
    """OETF and inverse OOTF of HLG on a display of 1000 nits, for grey."""
    scene = (np.asarray(nits) / 1000) ** (1 / 1.2)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )


CODES = {"pq": pq_code, "hlg": hlg_code}


def mapped(transfer, nits):
    """Grey of so many nits, as SDR levels."""
    code = np.rint(65535 * CODES[transfer](nits)).astype(np.uint16)
    return tone_map(np.repeat(code.reshape(1, -1, 1), 3, axis=2), transfer)[0].astype(int)


@pytest.mark.parametrize("transfer", CODES)
def test_sdr_made_hdr_comes_back_up_to_the_middle_and_highlights_fit(transfer):
    levels = np.arange(0, 181, 10)
    grey = mapped(transfer, 203 * (levels / 255) ** 2.4)  # SDR's display, its peak at diffuse white
    assert np.abs(grey - levels[:, None]).max() <= 1
    bright = mapped(transfer, np.array([92, 203, 400, 700, 1000]))[:, 0]
    assert np.all(np.diff(bright[:3]) > 0) and 215 < bright[1] < 240 and bright[-1] == 255


def test_hues_stay_and_colours_of_bt2020_become_those_of_bt709():
    """A colour of BT.709 written in BT.2020 (matrix of BT.2087) comes back."""
    rgb = np.array([0.30, 0.12, 0.05])
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    code = np.rint(65535 * pq_code(203 * to_2020 @ rgb)).astype(np.uint16)
    assert np.abs(tone_map(code.reshape(1, 1, 3), "pq")[0, 0] - 255 * rgb ** (1 / 2.4)).max() < 1.5
