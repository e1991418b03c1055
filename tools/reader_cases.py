"""Small videos of common kinds, for verify_readers.py: codecs, containers, structures, rates, colours, cuts, damage.

Every frame is a different picture, so that a wrong frame is noticed.
"""

import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

FRAMES = 30
SIZE = (64, 96)
BT601, BT709, BT2020 = 6, 1, 9  # matrices, as ITU-T H.273 numbers them
LIMITED, FULL = 1, 2


@dataclass(frozen=True)
class Case:
    """One video.

    Attributes:
        group: of kinds that a table counts together.
        name: of its file.
        codec: FFmpeg's encoder.
        options: the encoder's.
        pix_fmt: of its frames.
        rate: frames a second; None gives every frame a duration of its own.
        size: (h, w).
        colour: (matrix, range), or None to tell nothing.
        source: of a file made from that of another case.
        change: makes it, called with (path of the source, path).
        damaged: whether the file lacks something.
    """

    group: str
    name: str
    codec: str = "libx264"
    options: dict = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    rate: Fraction | None = Fraction(30)
    size: tuple = SIZE
    colour: tuple | None = None
    source: "Case | None" = None
    change: object = None
    damaged: bool = False

    def write(self, folder):
        """Writes the file and gives its path."""
        path = Path(folder) / self.name
        if path.exists():
            return path
        if self.source is not None:
            self.change(self.source.write(folder), path)
        else:
            self._encode(path)
        return path

    def _encode(self, path):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(self.codec, rate=self.rate or 30)
            stream.height, stream.width = self.size
            stream.pix_fmt, stream.options = self.pix_fmt, dict(self.options)
            if self.rate is None:
                stream.codec_context.time_base = Fraction(1, 1000)
            if self.colour is not None:
                stream.codec_context.colorspace, stream.codec_context.color_range = self.colour
            for number in range(FRAMES):
                frame = av.VideoFrame.from_ndarray(picture(number, self.size), format="rgb24")
                if self.rate is None:
                    frame.pts, frame.time_base = (
                        40 * number + 13 * (number // 3) ** 2 % 97 + 100 * (number // 7),
                        Fraction(1, 1000),
                    )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def picture(number, size=SIZE):
    """Soft patches of colours that no other frame has, uint8 (h, w, 3)."""
    patches = np.random.default_rng(number).integers(16, 240, (3, 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(patches).resize(size[::-1], Image.Resampling.BILINEAR))


def cut_at_keyframe(source, target, nth=2):
    """A copy of the packets from a keyframe on, as by `ffmpeg -ss -c copy`; some frames before it cannot be decoded."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        first, keyframes = None, 0
        for packet in reading.demux(video=0):
            keyframes += bool(packet.size) and packet.is_keyframe
            if not packet.size or keyframes <= nth:
                continue
            first = packet.pts if first is None else first
            packet.pts, packet.stream = packet.pts - first, stream
            packet.dts = None if packet.dts is None else packet.dts - first
            writing.mux(packet)


def joined(source, target):
    """The file twice in a row, as `cat` joins recordings."""
    Path(target).write_bytes(2 * Path(source).read_bytes())


def started_late(source, target):
    """A recording switched on between keyframes: the first fifth is missing."""
    data = Path(source).read_bytes()
    Path(target).write_bytes(data[len(data) // 5 // 188 * 188 :])


def cut_off(source, target):
    """The first two thirds, as a download that stopped."""
    data = Path(source).read_bytes()
    Path(target).write_bytes(data[: len(data) * 2 // 3])


def overwritten(source, target):
    """Some bytes in the middle are zero."""
    data = bytearray(Path(source).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    Path(target).write_bytes(data)


def copied(source, target):
    """The same packets in another container."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(video=0):
            if packet.size:
                packet.stream = stream
                writing.mux(packet)


def cut_by_ffmpeg(source, target):
    """What the command makes of `-ss 0.5 -c copy`."""
    words = ["ffmpeg", "-v", "error", "-ss", "0.5", "-i", str(source), "-c", "copy", str(target)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True)


_QUIET265 = "log-level=none:pools=1:frame-threads=1"
_GOPS = {
    "intra": {"g": "1"},
    "no_b": {"g": "8", "bf": "0"},
    "closed": {"g": "8", "bf": "2"},
    "pyramid": {"x264-params": "keyint=12:bframes=5:b-pyramid=normal:b-adapt=0:ref=4"},
    "open": {"x264-params": "open-gop=1:keyint=10:bframes=3:b-adapt=0:b-pyramid=normal:scenecut=0"},
    "refresh": {"x264-params": "intra-refresh=1:keyint=10:bframes=0"},
    "one_gop": {"g": "250", "bf": "3"},
    "short": {"x264-params": "keyint=3:bframes=2:b-adapt=0:scenecut=0"},
}
_OPEN265 = {"x265-params": f"keyint=10:min-keyint=10:bframes=4:b-adapt=0:open-gop=1:scenecut=0:{_QUIET265}"}
_CLOSED265 = {"x265-params": f"keyint=10:bframes=3:open-gop=0:{_QUIET265}"}
_AV1 = {"preset": "13", "svtav1-params": "keyint=10:lp=1"}
_VP8 = {"g": "10", "auto-alt-ref": "1", "lag-in-frames": "12", "deadline": "realtime", "cpu-used": "8"}


def structures():
    """H.264 and H.265 of every structure of pictures in every container that holds them."""
    for gop, options in _GOPS.items():
        made = Case("H.264 structures", f"x264_{gop}.mp4", options=options)
        yield made
        for ending in ("mkv", "mov", "ts", "flv", "h264", "3gp"):
            yield Case("H.264 structures", f"x264_{gop}.{ending}", source=made, change=copied)
        yield Case("H.264 structures", f"x264_{gop}.avi", options=options)
    for kind, options in {"open": _OPEN265, "closed": _CLOSED265}.items():
        made = Case("H.265 structures", f"x265_{kind}.mp4", "libx265", options)
        yield made
        for ending in ("mkv", "mov", "ts", "hevc"):
            yield Case("H.265 structures", f"x265_{kind}.{ending}", source=made, change=copied)


def codecs():
    """Other codecs in the containers that they come in."""
    for codec, options, endings in (
        ("libvpx", _VP8, ("webm", "mkv", "ivf")),
        ("libvpx-vp9", _VP8, ("webm", "mp4", "mkv", "ivf")),
        ("libsvtav1", _AV1, ("mp4", "mkv", "webm", "ivf")),
        ("mpeg4", {"g": "10", "bf": "2", "q:v": "3"}, ("mp4", "avi", "mkv", "ts", "3gp", "m4v", "nut")),
        ("mpeg2video", {"g": "10", "bf": "2"}, ("mpg", "ts", "mkv", "vob", "m2v", "mts")),
        ("mpeg1video", {"g": "10", "bf": "2"}, ("mpg", "mkv")),
        ("msmpeg4", {"g": "10"}, ("avi", "wmv")),
        ("wmv2", {"g": "10"}, ("wmv", "avi", "asf")),
        ("flv", {"g": "10"}, ("flv",)),
        ("ffv1", {"g": "10"}, ("mkv", "avi")),
    ):
        for ending in endings:
            yield Case("other codecs", f"{codec}.{ending}", codec, options)
    for codec, pix_fmt, ending in (
        ("mjpeg", "yuvj420p", "avi"), ("mjpeg", "yuvj422p", "mov"), ("prores_ks", "yuv422p10le", "mov"),
        ("png", "rgb24", "mov"), ("qtrle", "rgb24", "mov"), ("huffyuv", "yuv422p", "avi"), ("utvideo", "gbrp", "avi"),
        ("rawvideo", "yuv420p", "nut"), ("rawvideo", "bgr24", "avi"), ("gif", "rgb8", "gif"),
    ):  # fmt: skip
        yield Case("other codecs", f"{codec}_{pix_fmt}.{ending}", codec, {}, pix_fmt, Fraction(25))
    yield Case("other codecs", "h263.3gp", "h263", {"g": "10"}, size=(144, 176))
    yield Case("other codecs", "dnxhd.mxf", "dnxhd", {"profile": "dnxhr_sq"}, "yuv422p", size=(144, 256))


def rates():
    """Steady and variable rates."""
    for rate in (Fraction(1), Fraction(10), Fraction(24000, 1001), Fraction(25), Fraction(50), Fraction(120)):
        for ending in ("mp4", "mkv", "ts"):
            yield Case("rates", f"rate_{float(rate):.0f}.{ending}", options=_GOPS["closed"], rate=rate)
    for ending in ("mp4", "mkv", "ts", "flv"):
        yield Case("rates", f"variable.{ending}", options=_GOPS["closed"], rate=None)
    yield Case("rates", "variable.webm", "libvpx-vp9", _VP8, rate=None)


def colours():
    """Matrices, ranges, subsampling, bits and odd sizes."""
    for matrix, told in (("601", BT601), ("709", BT709), ("2020", BT2020)):
        for scale, range_ in (("limited", LIMITED), ("full", FULL)):
            for pix_fmt in ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le"):
                name = f"{matrix}_{scale}_{pix_fmt}.mkv"
                yield Case("colours and bits", name, options=_GOPS["closed"], pix_fmt=pix_fmt, colour=(told, range_))
    for pix_fmt in ("yuv420p12le", "yuv444p12le", "gbrp", "gray"):
        yield Case("colours and bits", f"x265_{pix_fmt}.mkv", "libx265", _CLOSED265, pix_fmt)
    for size in ((63, 97), (50, 34), (48, 32)):
        yield Case(
            "colours and bits", f"odd_{size[0]}x{size[1]}.mkv", options=_GOPS["closed"], pix_fmt="yuv444p", size=size
        )


def cuts(with_ffmpeg):
    """Copies that begin in the middle, and joined recordings."""
    sources = {
        "x264_open": Case("cuts", "cut_source_x264.mkv", options=_GOPS["open"]),
        "x265_open": Case("cuts", "cut_source_x265.mkv", "libx265", _OPEN265),
        "mpeg2": Case("cuts", "cut_source_mpeg2.mkv", "mpeg2video", {"g": "10", "bf": "2"}),
        "mpeg4": Case("cuts", "cut_source_mpeg4.mkv", "mpeg4", {"g": "10", "bf": "2"}),
        "vp9": Case("cuts", "cut_source_vp9.mkv", "libvpx-vp9", _VP8),
    }
    for kind, source in sources.items():
        endings = ("mp4", "mkv", "ts", "mov") if kind != "vp9" else ("mp4", "mkv", "webm")
        for ending in endings:
            yield Case("cuts", f"cut_{kind}.{ending}", source=source, change=cut_at_keyframe)
            if with_ffmpeg:
                yield Case("cuts", f"ffmpeg_cut_{kind}.{ending}", source=source, change=cut_by_ffmpeg)
    for name, codec, options in (
        ("x264.ts", "libx264", _GOPS["closed"]),
        ("x264_open.ts", "libx264", _GOPS["open"]),
        ("mpeg2.mpg", "mpeg2video", {"g": "10", "bf": "2"}),
        ("x264.h264", "libx264", _GOPS["closed"]),
    ):
        source = Case("cuts", f"part_{name}", codec, options)
        yield Case("cuts", f"joined_{name}", source=source, change=joined)
        if name.endswith("ts"):
            yield Case("cuts", f"late_{name}", source=source, change=started_late)


def damages():
    """Files that lack something: read shorter, or refused."""
    for name, codec, options in (
        ("x264.mkv", "libx264", _GOPS["closed"]),
        ("x264.ts", "libx264", _GOPS["closed"]),
        ("x264.avi", "libx264", _GOPS["no_b"]),
        ("mpeg4.avi", "mpeg4", {"g": "10", "bf": "2"}),
        ("mpeg2.mpg", "mpeg2video", {"g": "10", "bf": "2"}),
        ("vp9.webm", "libvpx-vp9", _VP8),
        ("wmv2.wmv", "wmv2", {"g": "10"}),
    ):
        source = Case("damage", f"whole_{name}", codec, options)
        yield Case("damage", f"cut_off_{name}", source=source, change=cut_off, damaged=True)
        yield Case("damage", f"overwritten_{name}", source=source, change=overwritten, damaged=True)


def all_cases(with_ffmpeg=False):
    """Every case."""
    return [*structures(), *codecs(), *rates(), *colours(), *cuts(with_ffmpeg), *damages()]
