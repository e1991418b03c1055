"""A slice of tools/verify_readers.py, which tries far more kinds of files in the same ways."""

import importlib
from pathlib import Path

import av
import numpy as np
import pytest

from mindone_tae.data.readers.base import UnreadableVideo
from mindone_tae.data.readers.container import harmless_errors
from mindone_tae.data.readers.isolated.reader_pool import ReaderPool
from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.readers.pyav_reader import PyAVReader

TOOLS = Path(__file__).resolve().parents[3] / "tools"
NAMES = (
    "x264_open.mkv", "x264_open.ts", "x264_refresh.mp4", "x264_short.flv", "x264_closed.avi", "x264_pyramid.h264",
    "x265_open.mp4", "libvpx.webm", "mpeg2video.mpg", "mpeg4.avi", "variable.mkv", "709_full_yuv420p.mkv",
    "2020_limited_yuv420p10le.mkv",
    "cut_x264_open.mkv", "cut_x265_open.mp4", "cut_mpeg2.ts", "joined_x264_open.ts", "joined_mpeg2.mpg", "late_x264.ts",
)  # fmt: skip


@pytest.fixture(scope="module")
def tools():
    """The modules verify_readers and reader_cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        yield importlib.import_module("verify_readers"), importlib.import_module("reader_cases")


@pytest.fixture(scope="module")
def pool():
    pool = ReaderPool()
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("matrix")


def case_of(tools, name):
    return next(case for case in tools[1].all_cases() if case.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_every_way_of_reading_gives_the_frames_of_sequential_decoding(tools, pool, folder, name):
    assert tools[0].verify(case_of(tools, name), folder, "pyav", pool, with_ffmpeg=False) == ("right", "")


@pytest.mark.parametrize("name", ["x264_closed.mp4", "x264_no_b.mkv", "x264_open.mp4", "libvpx-vp9.webm"])
def test_decord_is_right_or_refuses(tools, pool, folder, name):
    pytest.importorskip("decord")
    outcome, why = tools[0].verify(case_of(tools, name), folder, "decord", pool, with_ffmpeg=False)
    assert outcome == ("refused" if "open" in name else "right"), why


def test_wrong_frames_and_a_wrong_rate_are_told(tools, pool, folder, monkeypatch):
    case, read = case_of(tools, "x264_closed.mp4"), PyAVReader._read_sorted
    monkeypatch.setattr(
        PyAVReader, "_read_sorted", lambda self, indices: read(self, [max(0, number - 1) for number in indices])
    )
    assert tools[0].verify(case, folder, "pyav", pool, False)[0] == "WRONG"
    monkeypatch.undo()
    assert tools[0].rate_is_right(case, [number / 30 for number in range(30)], 30.0)
    assert not tools[0].rate_is_right(case, [number / 30 for number in range(30)], 25.0)


def test_an_error_behind_a_cut_is_harmless_only_where_it_changes_nothing(tools, folder):
    """Strict decoders report both references to removed frames and damage; damaged pictures must not be shown."""
    path = case_of(tools, "cut_x264_open.mkv").write(folder)
    with av.open(str(path)) as video:
        packets = [packet for packet in video.demux(video=0) if packet.size]
    with open_video(path) as video:
        whole = video.read(range(len(video)))
    expected, refused = failures(path), 0
    for packet in packets[5:12]:
        data = bytearray(path.read_bytes())
        end = packet.pos + packet.size
        data[end - packet.size * 2 // 3 : end] = bytes(packet.size * 2 // 3)
        damaged = folder / f"damaged_{packet.pos}.mkv"
        damaged.write_bytes(data)
        if failures(damaged) == expected:
            continue  # no decoder can tell
        try:
            with open_video(damaged) as video:
                assert np.array_equal(video.read(range(len(video))), whole)
        except UnreadableVideo:
            refused += 1
        assert not harmless_errors(str(damaged)) or np.array_equal(
            harmless_errors(str(damaged)), harmless_errors(str(path))
        )
    assert refused >= 2


def failures(path):
    """How many packets a strict decoder refuses."""
    count = 0
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        stream.codec_context.thread_count = 1
        for packet in video.demux(stream):
            try:
                packet.decode()
            except av.error.FFmpegError:
                count += 1
    return count


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_colours_are_those_of_an_exact_decode(tools, folder, reader):
    pytest.importorskip("decord" if reader == "decord" else "av")
    path = case_of(tools, "709_limited_yuv420p.mkv").write(folder)
    exact, _ = tools[0].sequential(path)
    with open_video(path, reader) as video:
        off = video.read(range(len(video))) - np.stack(exact)
    assert abs(off.mean()) < 0.3
    assert reader == "decord" or np.abs(off).mean() < 0.3
