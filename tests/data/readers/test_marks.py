"""Files whose marks and clocks mislead: every frame is read as in a row, in any order."""

import av
import numpy as np
import pytest

from mindone_tae.data.readers.base import UnreadableVideo
from mindone_tae.data.readers.opening import open_video

X264 = {"x264-params": "keyint=100:bframes=2:b-adapt=0:b-pyramid=0:scenecut=0:weightp=0"}


def first_packets(source, target, count):
    """A whole file of the first packets, as `ffmpeg -t -c copy` makes it."""
    with av.open(source) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for number, packet in enumerate(reading.demux(video=0)):
            if packet.size and number < count:
                packet.stream = stream
                writing.mux(packet)
    return target


def same_in_any_order(path, reader="auto"):
    with open_video(path, reader) as video:
        frames = video.read(range(len(video)))
        order = np.random.default_rng(0).permutation(len(video)).tolist()
        assert all(np.array_equal(video.read([number])[0], frames[number]) for number in order)
    return frames


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
@pytest.mark.parametrize("count", [17, 18, 19])
def test_copy_that_ends_between_frames_stored_out_of_order_is_read(make_video, tmp_path, name, count):
    path = first_packets(make_video("whole.mkv", frames=40, **X264), tmp_path / name, count)
    assert len(same_in_any_order(path)) == count


def test_joined_recording_whose_clock_is_behind_is_read(make_video, numbers_of, tmp_path):
    late, early = tmp_path / "late.ts", tmp_path / "early.ts"
    for path, offset in ((late, 900_000), (early, 0)):
        with av.open(make_video("a.ts", frames=12)) as reading, av.open(str(path), "w") as writing:
            stream = writing.add_stream_from_template(reading.streams.video[0])
            for packet in reading.demux(video=0):
                if packet.size:
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    writing.mux(packet)
    both = tmp_path / "both.ts"
    both.write_bytes(late.read_bytes() + early.read_bytes())
    assert numbers_of(same_in_any_order(both)) == [*range(12), *range(12)]


def test_avi_without_its_index_is_read(make_video, numbers_of, tmp_path):
    path = make_video("a.avi", frames=12, codec="msmpeg4", g="6")
    data = open(path, "rb").read()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: data.rindex(b"idx1")])
    assert numbers_of(same_in_any_order(cut)) == list(range(12))


def test_mp4_without_its_table_of_keyframes_is_read(make_video, numbers_of, tmp_path):
    for codec in ("mpeg4", "libx264"):
        path = make_video(f"{codec}.mp4", frames=12, codec=codec, g="6", bf="0")
        unmarked = tmp_path / f"{codec}_unmarked.mp4"
        unmarked.write_bytes(open(path, "rb").read().replace(b"stss", b"free"))
        assert numbers_of(same_in_any_order(unmarked)) == list(range(12))
        pytest.importorskip("decord")
        try:
            same_in_any_order(unmarked, "decord")
        except UnreadableVideo as error:
            assert "use reader auto or pyav" in error.reason


def test_palettes_that_change_are_those_of_their_frames(tmp_path):
    path = tmp_path / "palettes.avi"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=20)
        stream.height, stream.width, stream.pix_fmt = 16, 24, "pal8"
        for number in range(8):
            palette = np.full((256, 4), 255, np.uint8)
            palette[:, 1:] = rng.integers(0, 256, (256, 3))
            indices = rng.integers(0, 256, (16, 24), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray((indices, palette), format="pal8")))
        container.mux(stream.encode())
    same_in_any_order(path)
