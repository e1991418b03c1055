"""Colours as they are meant: exact conversion of video, high dynamic range to SDR, ICC profiles to sRGB."""
