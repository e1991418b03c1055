import gc
import math
import pickle
import struct
import sys

import av
import numpy as np
import pytest
from PIL import Image

from mindone_tae.data.readers.base import UnreadableVideo
from mindone_tae.data.readers.opening import open_video
from mindone_tae.zoo.errors import UserError

try:
    import decord  # noqa: F401

    VIDEO_READERS = ["decord", "pyav"]
except ImportError:
    VIDEO_READERS = ["pyav"]
needs_decord = pytest.mark.skipif("decord" not in VIDEO_READERS, reason="decord has no wheel here")


@pytest.mark.parametrize("reader", VIDEO_READERS)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_frames_are_exact_in_any_order_and_repeated(make_video, numbers_of, reader, name):
    wanted = [17, 3, 3, 23, 0, 16, 15, 9, 8]
    with open_video(make_video(name), reader) as video:
        assert len(video) == 24 and video.size == (64, 96) and video.fps == 20.0
        frames = video.read(wanted)
        assert frames.shape == (9, 64, 96, 3) and frames.dtype == np.uint8
        assert numbers_of(frames) == wanted
        assert [numbers_of(video.read([n]))[0] for n in wanted] == wanted


@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_stream_gives_every_frame_once_in_order(make_video, numbers_of, reader):
    with open_video(make_video("clip.mkv", frames=28), reader) as video:
        assert numbers_of(np.stack(list(video.frames()))) == list(range(28))


@needs_decord
@pytest.mark.parametrize("form", [{}, {"codec": "mpeg4"}, {"codec": "ffv1"}])
def test_decord_and_pyav_agree(make_video, form):
    path = make_video("clip.mkv", **form)
    with open_video(path, "decord") as one, open_video(path, "pyav") as other:
        assert (len(one), one.size, one.fps) == (len(other), other.size, other.fps)
        numbers = [5, 20, 11]
        difference = one.read(numbers).astype(int) - other.read(numbers)
        assert (
            np.abs(difference[:, 24:, 32:]).max() <= 2 and abs(difference.mean()) < 0.7
        )  # chroma differs at the corner's edge


@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_stream_of_most_bits_is_read_of_several(tmp_path, reader):
    path = str(tmp_path / "two.mp4")
    with av.open(path, "w") as container:
        streams = [container.add_stream("libx264", rate=20) for _ in range(2)]
        for stream, (height, width) in zip(streams, [(32, 48), (64, 96)]):
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for _ in range(10):
            for stream in streams:
                frame = np.full((stream.height, stream.width, 3), 100, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    with open_video(path, reader) as video:
        assert video.size == (64, 96) and len(video) == 10


def turned(path, matrix):
    """The mp4 file with another display matrix."""
    data = bytearray(open(path, "rb").read())
    at = data.index(b"tkhd") + 44
    data[at : at + 24] = struct.pack(">6i", *(round(value * 65536) for value in matrix))
    open(path, "wb").write(data)
    return path


@pytest.mark.parametrize("reader", VIDEO_READERS)
@pytest.mark.parametrize(
    "matrix, size, corner",  # the file's display matrix; where the red corner, stored top left, must be seen
    [
        ((0, 1, 0, -1, 0, 0), (96, 64), (4, -4)),  # a quarter turn clockwise
        ((-1, 0, 0, 0, -1, 0), (64, 96), (-4, -4)),
        ((0, -1, 0, 1, 0, 0), (96, 64), (-4, 4)),
        ((-1, 0, 0, 0, 1, 0), (64, 96), (4, -4)),  # mirrored left to right
        ((1, 0, 0, 0, -1, 0), (64, 96), (-4, 4)),
        ((0, 1, 0, 1, 0, 0), (96, 64), (4, 4)),
        ((0, -1, 0, -1, 0, 0), (96, 64), (-4, -4)),
    ],
)
def test_rotation_in_the_file_is_applied(make_video, reader, matrix, size, corner):
    path = turned(make_video("phone.mp4"), matrix)
    mirrored = matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0
    if reader == "decord" and mirrored:
        with pytest.raises(UnreadableVideo, match="mirrored"):
            open_video(path, reader)
        return
    with open_video(path, reader) as video:
        assert video.size == size
        red, green, blue = video.read([3])[0][corner].astype(int)
        assert red > 200 and green < 60 and blue < 60


def test_part_of_a_quarter_turn_is_refused(make_video):
    sine = math.sin(math.radians(10))
    path = turned(make_video("phone.mp4"), (math.cos(math.radians(10)), sine, 0, -sine, math.cos(math.radians(10)), 0))
    with pytest.raises(UnreadableVideo, match="part of a quarter turn"):
        open_video(path)


def test_frames_are_freed_without_the_garbage_collector(make_video):
    with open_video(make_video("clip.mp4", frames=60)) as video:
        gc.collect()
        gc.disable()
        try:
            before = sum(type(entry) is av.VideoFrame for entry in gc.get_objects())  # of other tests
            video.read(range(60))
            assert sum(type(entry) is av.VideoFrame for entry in gc.get_objects()) < before + 10
        finally:
            gc.enable()


@pytest.mark.parametrize("name, codec", [("clip.mp4", "libx264"), ("clip.webm", "libvpx-vp9"), ("clip.avi", "mpeg4")])
@pytest.mark.parametrize("number", [7, 12])
def test_frames_after_a_damaged_one_are_right_or_refused(make_video, name, codec, number):
    path = make_video(name, frames=30, codec=codec, **{"g": "100", "bf": "0"})
    with open_video(path) as video:
        whole = video.read(range(30))
    with av.open(path) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data, (start, size) = bytearray(open(path, "rb").read()), packets[number]
    at = data.index(bytes(data[start : start + size]), start) + size // 2
    data[at : at + 20] = b"\xff" * 20
    open(path, "wb").write(data)
    try:
        with open_video(path) as video:
            found = video.read([20])[0]
    except UnreadableVideo:
        return
    assert np.abs(found.astype(int) - whole[20]).mean() < 0.5


def test_path_through_a_link_is_the_systems(make_video, tmp_path, monkeypatch):
    make_video("real/deep/clip.mp4", frames=6)
    make_video("real/clip.mp4", frames=7)
    (tmp_path / "x").mkdir()
    (tmp_path / "x/link").symlink_to(tmp_path / "real/deep")
    make_video("x/clip.mp4", frames=8)
    monkeypatch.chdir(tmp_path)
    assert len(open_video("x/link/../clip.mp4")) == 7


def test_name_with_a_colon_is_a_file(make_video, tmp_path, monkeypatch):
    make_video("12:30.mp4", frames=6)
    make_video("file:clip.mp4", frames=7)
    make_video("clip.mp4", frames=8)
    monkeypatch.chdir(tmp_path)
    assert [len(open_video(name)) for name in ("12:30.mp4", "file:clip.mp4", "clip.mp4")] == [6, 7, 8]


def test_colour_matrix_that_is_not_converted_is_named(make_video):
    with pytest.raises(UnreadableVideo, match=r"colour matrix, 8 \(of ITU-T H.273\)"):
        open_video(make_video("clip.mp4", **{"x264-params": "colormatrix=YCgCo"}))


@pytest.mark.parametrize("name, codec", [("clip.avi", "libx264"), ("clip.mpg", "mpeg2video")])
def test_files_without_display_times_are_read_exactly(make_video, numbers_of, name, codec):
    wanted = [20, 1, 13]
    with open_video(make_video(name, codec=codec)) as video:
        assert len(video) == 24
        assert [numbers_of(video.read([n]))[0] for n in wanted] == wanted


def test_frames_hidden_by_an_edit_list_are_not_read(make_video, numbers_of):
    path = make_video("cut.mp4")
    data = bytearray(open(path, "rb").read())
    at = data.index(b"elst") + 12
    duration, media_time = struct.unpack(">Ii", data[at : at + 8])
    five_frames = 5 * 512  # in the track's clock of 10240 a second
    data[at : at + 8] = struct.pack(">Ii", duration * 19 // 24, media_time + five_frames)
    open(path, "wb").write(data)
    with open_video(path) as video:
        assert numbers_of(video.read(range(len(video)))) == list(range(5, 24))


def test_gif_gives_its_frames_in_order(tmp_path):
    levels = [10, 90, 170, 250]
    pictures = [Image.new("RGB", (32, 24), (level,) * 3) for level in levels]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    with open_video(tmp_path / "a.gif") as video:
        assert (len(video), video.size) == (4, (24, 32))
        assert video.read([3, 0, 2])[:, 5, 5, 0].tolist() == [250, 10, 170]


def test_image_is_a_video_of_one_frame(tmp_path):
    Image.new("RGBA", (20, 10), (200, 100, 50, 128)).save(tmp_path / "a.png")
    with open_video(tmp_path / "a.png") as video:
        assert (len(video), video.size, video.fps) == (1, (10, 20), 0.0)
        assert video.read([0, 0])[1, 5, 5].tolist() == [200, 100, 50]


def test_16_bit_grey_image_is_scaled(tmp_path):
    Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(tmp_path / "deep.png")
    with open_video(tmp_path / "deep.png") as video:
        assert video.read([0])[0, 0, :, 0].tolist() == [0, 128, 255]


def tiff_of(levels, bits, sample_format=1, white_is_zero=False):
    """A TIFF of one row of grey: packed levels, and the tags that say how."""
    width = len(levels) * 8 // bits
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: int(not white_is_zero), 273: 134, 277: 1, 278: 1}
    tags |= {279: len(levels), 339: sample_format}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + levels


@pytest.mark.parametrize(
    "data, wanted",
    [
        (tiff_of(struct.pack("<3H", 0, 32768, 65535), 16), [0, 128, 255]),
        (tiff_of(struct.pack("<3H", 0, 32768, 65535), 16, white_is_zero=True), [255, 127, 0]),
        (tiff_of(bytes.fromhex("000800fff000"), 12), [0, 128, 255, 0]),
    ],
)
def test_deep_grey_tiff_is_scaled_by_its_own_bits_and_white(tmp_path, data, wanted):
    (tmp_path / "deep.tif").write_bytes(data)
    with open_video(tmp_path / "deep.tif") as video:
        assert video.read([0])[0, 0, :, 0].tolist() == wanted


@pytest.mark.parametrize(
    "data, mode",
    [
        (tiff_of(np.array([0, 0.5, 1], "<f4").tobytes(), 32, 3), "F"),
        (tiff_of(np.array([0, 32768, 65535], "<i4").tobytes(), 32, 2), "I"),
        (tiff_of(np.array([0, 32768, 65535], "<u4").tobytes(), 32, 1), "I"),
        (tiff_of(np.array([-32768, 0, 32767], "<i2").tobytes(), 16, 2), "I"),
    ],
)
def test_grey_whose_white_is_unknown_is_refused(tmp_path, data, mode):
    (tmp_path / "deep.tif").write_bytes(data)
    with pytest.raises(UnreadableVideo, match=rf"tif: its grey is of mode {mode} .*white is unknown: save it with 8"):
        open_video(tmp_path / "deep.tif")


def test_camera_orientation_of_a_photograph_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    with open_video(tmp_path / "a.jpg") as video:
        assert video.size == (20, 10)


def test_without_decord_auto_reads_and_decord_by_name_says_so(make_video, numbers_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "decord", None)
    path = make_video("clip.mp4")
    with open_video(path) as video:
        assert numbers_of(video.read([7])) == [7]
    with pytest.raises(UserError, match="decord.*not installed.*pyav"):
        open_video(path, "decord")


def test_unknown_reader_lists_the_names(make_video):
    with pytest.raises(UserError, match="'decrod'.*auto, pyav, decord, image.*did you mean 'decord'"):
        open_video("clip.mp4", "decrod")


@pytest.mark.parametrize("reader", ["auto", *VIDEO_READERS])
@pytest.mark.parametrize(
    "content, reason",
    [(None, "no such file"), (b"", "0 bytes"), (b"this is not a video\n", "not a video: Invalid data")],
)
def test_bad_file_has_one_short_reason_and_silence(tmp_path, capfd, reader, content, reason):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableVideo) as caught:
        open_video(path, reader)
    assert caught.value.reason.startswith(reason) and "\n" not in str(caught.value)
    assert caught.value.path == str(path) and isinstance(caught.value, UserError)
    assert capfd.readouterr().err == ""


def test_sound_alone_has_no_video_stream(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UnreadableVideo, match="no video stream"):
        open_video(path)


def test_image_that_is_none_is_unreadable(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(UnreadableVideo, match="not an image"):
        open_video(tmp_path / "a.png")


def test_cut_off_file_is_shorter_and_every_frame_left_is_right(make_video, numbers_of):
    path = make_video("whole.mp4", frames=29, container_options={"movflags": "faststart"})
    data = open(path, "rb").read()
    open(path, "wb").write(data[: int(len(data) * 0.75)])
    with open_video(path) as video:
        assert 0 < len(video) < 29
        assert numbers_of(video.read(range(len(video)))) == list(range(len(video)))


@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_frames_that_do_not_decode_are_an_error_not_a_copy(make_video, tmp_path, reader):
    headless = tmp_path / "headless.mkv"
    with av.open(make_video("clip.mkv", g="100")) as source, av.open(str(headless), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number >= 3 and packet.size:  # without its only keyframe nothing can be decoded
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(UnreadableVideo), open_video(headless, reader) as video:
        video.read(range(len(video)))


@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_number_outside_the_video_is_an_index_error(make_video, reader):
    with open_video(make_video("clip.mp4"), reader) as video:
        for number in (24, -1):
            with pytest.raises(IndexError, match="0 to 23"):
                video.read([number])


def test_unreadable_video_crosses_processes():
    error = pickle.loads(pickle.dumps(UnreadableVideo("a.mp4", "0 bytes")))
    assert (error.path, error.reason, str(error)) == ("a.mp4", "0 bytes", "a.mp4: 0 bytes")
