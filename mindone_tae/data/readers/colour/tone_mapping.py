"""HDR code values to SDR: to linear light, then by the roll-off of ITU-R BT.2390."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Light of HDR's diffuse white (ITU-R BT.2408), which becomes SDR's peak, and of the brightest highlight not clipped.
_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
# SDR is made for displays of this exponent (ITU-R BT.1886).
_DISPLAY_GAMMA = 2.4
# Linear light of BT.2020 primaries to BT.709's (ITU-R BT.2087).
_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020
# Constants of PQ (SMPTE ST 2084) and HLG (ARIB STD-B67), both in ITU-R BT.2100.
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2  # at 1000 nits


def tone_map(pixels: np.ndarray, transfer: str) -> np.ndarray:
    """Frames of HDR as SDR: below about half of diffuse white unchanged, above rolled off, hues kept.

    Args:
        pixels: uint16 (h, w, 3), BT.2020 RGB of full range.
        transfer: "pq" or "hlg".

    Returns:
        uint8 (h, w, 3), BT.709 RGB for a display of exponent 2.4.
    """
    light = _light_of_codes(transfer)[pixels]  # (h, w, 3)
    if transfer == "hlg":  # from the scene's light to the display's
        light *= _PEAK_NITS * np.maximum(light @ _LUMA, 1e-6)[..., None] ** (_HLG_GAMMA - 1)
    light = np.maximum(light @ _TO_BT709.T, 0)
    brightest = light.max(axis=-1, keepdims=True)
    light *= _rolled_off(brightest) / np.maximum(brightest, 1e-6)
    return np.rint(255 * np.minimum(light / _WHITE_NITS, 1) ** (1 / _DISPLAY_GAMMA)).astype(np.uint8)


@lru_cache
def _light_of_codes(transfer):
    """float32 (65536,): nits on a display for each code of PQ, the scene's light from 0 to 1 for each of HLG."""
    code = np.arange(65536) / 65535
    if transfer == "pq":
        return pq_to_nits(code).astype(np.float32)
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - _C) / _A) + _B) / 12).astype(np.float32)


def pq_to_nits(code: np.ndarray) -> np.ndarray:
    """Light in nits of PQ codes from 0 to 1."""
    power = code ** (1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _pq_of_nits(nits):
    power = (nits / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _rolled_off(nits):
    """Compresses light up to the brightest highlight to that up to diffuse white: BT.2390's spline over PQ codes."""
    brightest = _pq_of_nits(_PEAK_NITS)
    code = np.minimum(_pq_of_nits(nits) / brightest, 1)
    peak = _pq_of_nits(_WHITE_NITS) / brightest
    knee = 1.5 * peak - 0.5
    t = np.maximum(code - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * peak
    return pq_to_nits(np.where(code < knee, code, spline) * brightest)
