"""Floating point operations of the network by its definition: a multiplication and an addition count two.

Convolutions and attention only. Faster algorithms are counted at the same number, so that contenders' rates differ by
time alone. At width 128, 8 frames of 64x64, encoding takes 99.7 and decoding 209.6 GFLOP.
"""

import math

IN_CHANNELS, LATENT_CHANNELS, LAYERS = 3, 16, 2


def conv(pixels, channels, out_channels, kernel=3):
    """Conv2.5D: kernel x kernel in space, then kernel frames."""
    return 2 * pixels * (kernel**2 * channels * out_channels + kernel * out_channels**2)


def block(pixels, channels, out_channels):
    """A residual block."""
    shortcut = conv(pixels, channels, out_channels, 1) if channels != out_channels else 0
    return conv(pixels, channels, out_channels) + conv(pixels, out_channels, out_channels) + shortcut


def middle(t, h, w, c):
    """Two residual blocks and both attentions."""
    attention = 2 * (2 * t * h * w * 4 * c * c) + 4 * c * (t * (h * w) ** 2 + h * w * t * t)
    return 2 * block(t * h * w, c, c) + attention


def encode(widths, size):
    """Of the encoder, for pixels (t, h, w)."""
    (t, h, w), channels = size, widths[0]
    total = conv(t * h * w, IN_CHANNELS, channels)
    for level, width in enumerate(widths):
        for _ in range(LAYERS):
            total += block(t * h * w, channels, width)
            channels = width
        if level < len(widths) - 1:
            h, w = h // 2, w // 2
            total += 2 * t * h * w * 9 * width**2
            t = math.ceil(t / 2)
            total += 2 * t * h * w * 3 * width**2
    return total + middle(t, h, w, channels) + conv(t * h * w, channels, 2 * LATENT_CHANNELS)


def decode(widths, size):
    """Of the decoder, to pixels (t, h, w)."""
    halvings, channels = len(widths) - 1, widths[-1]
    t, h, w = (math.ceil(size[0] / 2**halvings), *(side // 2**halvings for side in size[1:]))
    total = conv(t * h * w, LATENT_CHANNELS, channels) + middle(t, h, w, channels)
    for level, width in reversed(list(enumerate(widths))):
        for _ in range(LAYERS + 1):
            total += block(t * h * w, channels, width)
            channels = width
        if level:
            h, w = 2 * h, 2 * w
            total += 2 * t * h * w * 9 * width**2
            t = 2 * t
            total += 2 * t * h * w * 3 * width**2
    return total + conv(t * h * w, channels, IN_CHANNELS)


def operations(work, widths, size):
    """Of "encode", "decode" or "train"; a training step takes both three times, forward and for either gradient."""
    if work == "train":
        return 3 * (encode(widths, size) + decode(widths, size))
    return {"encode": encode, "decode": decode}[work](widths, size)
