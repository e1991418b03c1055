"""Kinds of files that readers get wrong: each is read right or refused with its reason."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, features

from mindone_tae.data.readers.base import UnreadableVideo
from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.readers.timing import PacketTime, first_hole

READERS = ["auto", "decord", "pyav"]


@pytest.fixture(autouse=True)
def without_decord(request):
    if getattr(request.node, "callspec", None) and request.node.callspec.params.get("reader") == "decord":
        pytest.importorskip("decord")


def rewrite(source, target, keep=lambda number: True, time=lambda stamp: stamp, decoded_at=None):
    """A copy of a video's packets without some of them, or shown and decoded at other times."""
    with av.open(source) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for number, packet in enumerate(reading.demux(video=0)):
            if packet.size and keep(number):
                packet.pts, packet.dts, packet.stream = time(packet.pts), (decoded_at or time)(packet.dts), stream
                writing.mux(packet)
    return str(target)


def two_of_three_between(make_video, name, frames, **keywords):
    """A video of a keyframe, then pairs of unreferenced frames, each stored after the frame that follows it."""
    params = {"x264-params": "keyint=100:bframes=2:b-adapt=0:b-pyramid=0:scenecut=0:weightp=0"}
    path = make_video(name, frames=frames, **params, **keywords)
    with av.open(path) as video:
        packets = [packet for packet in video.demux(video=0) if packet.size]
    between = [n for n in range(1, frames) if packets[n].pts < max(packet.pts for packet in packets[:n])]
    assert len(between) >= frames // 2
    return path, packets, between


def read_all(path, reader):
    with open_video(path, reader) as video:
        return video.read(range(len(video)))


@pytest.mark.parametrize("reader", READERS)
def test_frame_missing_between_others_is_an_error_of_the_file(make_video, tmp_path, reader):
    whole, _, between = two_of_three_between(make_video, "whole.mkv", 25)
    assert len(read_all(whole, reader)) == 25
    path = rewrite(whole, tmp_path / "lost.mkv", keep=lambda number: number != between[3])
    with pytest.raises(UnreadableVideo, match="a frame is missing after frame"):
        read_all(path, reader)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["whole.mkv", "whole.mp4"])
def test_file_cut_between_b_frames_is_an_error_of_the_file(make_video, tmp_path, reader, name):
    """As a download that stopped: the last packet is shown after frames that never came."""
    whole, packets, between = two_of_three_between(
        make_video, name, 40, container_options={"movflags": "faststart"} if "mp4" in name else None
    )
    last = packets[between[-4] - 1]
    assert last.pts > packets[between[-4]].pts
    cut = tmp_path / f"cut.{name}"
    cut.write_bytes(open(whole, "rb").read()[: last.pos + last.size + (12 if "mkv" in name else 0)])
    with pytest.raises(UnreadableVideo, match="a frame is missing"):
        read_all(cut, reader)


@pytest.mark.parametrize(
    "times, durations, hole",
    [
        (range(0, 500, 40), [40] * 13, None),
        ([0, 40, 80, 160, *range(200, 600, 40)], [40] * 14, 2),
        ([0, 40, 80, 160, *range(200, 600, 40)], [0] * 14, 2),
        ([0, 40, 80, 160, *range(200, 600, 40)], [40] * 13 + [80], None),  # one frame is meant to stay
        ([0, 33, 67, 100, 133, 167, 200, 233, 267, 333, 367, 400], [33] * 12, 8),  # rounded to milliseconds
        ([0, 10, 50, 55, 90, 130, 190, 200, 290, 300, 360], [0] * 11, None),  # variable rate
        ([0, 1, 3], [1, 1, 1], None),  # too few to tell
        ([7], [1], None),
    ],
)
def test_hole_is_found_in_a_steady_rate_alone(times, durations, hole):
    assert first_hole([PacketTime(time, time, length, False) for time, length in zip(times, durations)]) == hole


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv"])
def test_variable_rate_keeps_every_frame_once(make_video, numbers_of, tmp_path, reader, name):
    whole = make_video("steady.mkv", frames=24, bf="0")
    path = rewrite(whole, tmp_path / name, time=lambda stamp: stamp and stamp + (stamp // 50) ** 2 * 7)
    assert numbers_of(read_all(path, reader)) == list(range(24))
    with open_video(path, reader) as video:
        assert numbers_of(video.read([19, 2, 11])) == [19, 2, 11]


def test_keyframes_delayed_unevenly_are_found_by_number(make_video, numbers_of, tmp_path):
    steady = make_video("steady.mkv", frames=24, bf="0")
    path = rewrite(
        steady, tmp_path / "a.mp4", lambda _: True, lambda stamp: stamp + (stamp // 50) ** 2 * 7, lambda stamp: stamp
    )
    with open_video(path) as video:
        assert numbers_of(video.read([19])) + numbers_of(video.read([2])) + numbers_of(video.read([11])) == [19, 2, 11]
    pytest.importorskip("decord")
    with pytest.raises(UnreadableVideo, match="delayed unevenly"):
        open_video(path, "decord")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "form",
    [
        {"codec": "libx264", "pix_fmt": "yuv420p10le"},
        {"codec": "ffv1", "pix_fmt": "gray"},
        {"codec": "ffv1", "pix_fmt": "gray10le"},
        {"codec": "ffv1", "pix_fmt": "yuva420p"},
        {"codec": "ffv1", "pix_fmt": "yuv420p", "size": (61, 97)},
        {"codec": "mjpeg", "pix_fmt": "yuvj420p", "size": (63, 95)},
        {"codec": "libvpx-vp9", "pix_fmt": "yuv420p", "size": (61, 97)},
        {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"},
    ],
    ids=lambda form: "-".join(map(str, form.values())),
)
def test_odd_pixels_are_read_right_or_refused(make_video, numbers_of, reader, form):
    path = make_video("odd.mkv", frames=10, **form)
    try:
        frames = read_all(path, reader)
    except UnreadableVideo as error:
        assert reader == "decord", error  # PyAV, and so auto, reads all of them
        return
    assert frames.shape == (10, *form.get("size", (64, 96)), 3)
    assert numbers_of(frames) == list(range(10))


def test_transparency_in_a_mov_is_dropped(make_video, numbers_of):
    assert numbers_of(read_all(make_video("alpha.mov", frames=6, codec="png", pix_fmt="rgba"), "auto")) == list(
        range(6)
    )


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["one.mp4", "one.mkv"])
def test_video_of_one_frame_is_read(make_video, numbers_of, reader, name):
    path = make_video(name, frames=1)
    with open_video(path, reader) as video:
        assert len(video) == 1 and numbers_of(video.read([0, 0])) == [0, 0]


@pytest.mark.parametrize("reader", READERS)
def test_rotation_in_a_matroska_file_is_applied_or_the_reader_refuses(tmp_path, reader):
    path = str(tmp_path / "phone.mkv")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write rotation")
        stream.set_display_rotation(90)
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    if reader == "decord":
        with pytest.raises(UnreadableVideo, match="does not crop or turn it"):
            open_video(path, reader)
    else:
        assert read_all(path, reader).shape == (10, 96, 64, 3)


@pytest.mark.parametrize(
    "name, keywords", [("a.webp", {"lossless": True}), ("a.png", {}), ("a.apng", {}), ("a.avif", {}), ("a.gif", {})]
)
def test_animated_image_is_a_video_of_all_its_frames(tmp_path, name, keywords):
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    levels = [10, 90, 170, 250]
    pictures = [Image.new("RGB", (32, 24), (level,) * 3) for level in levels]
    keywords = {"format": "PNG"} if name == "a.apng" else keywords
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=100, **keywords)
    with open_video(tmp_path / name) as video:
        assert (len(video), video.size, video.fps) == (4, (24, 32), 10.0)
        assert np.abs(video.read([3, 0, 2, 1])[:, 5, 5, 0] - np.array([250, 10, 170, 90])).max() <= (".avif" in name)
        for number in (3, 1, 2, 0, 2, 1, 3):
            assert abs(int(video.read([number])[0, 5, 5, 0]) - levels[number]) <= (".avif" in name)


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("blend", [0, 1])
def test_animated_png_is_composed_as_ffmpeg_does(tmp_path, disposal, blend):
    picture = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    pictures = []
    for number in range(5):  # a window that moves over nothing
        shown = np.dstack([np.roll(picture, number, 1), np.zeros((24, 32), np.uint8)])
        shown[4:20, 5 * number : 5 * number + 9, 3] = 255
        pictures.append(Image.fromarray(shown))
    path = tmp_path / "a.png"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], disposal=disposal, blend=blend)
    with av.open(str(path), format="apng") as container:
        wanted = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    with open_video(path) as video:
        for number in [*range(5), 3, 1, 4, 2, 0]:
            seen = wanted[number][..., 3] > 0  # what hides under transparency is the decoder's choice
            assert np.array_equal(video.read([number])[0][seen], wanted[number][seen][:, :3])


@pytest.mark.parametrize("reader", ["auto", "pyav", "image"])
def test_animated_gif_under_an_images_name_is_read_as_any_gif(tmp_path, reader):
    pictures = [Image.new("RGBA", (32, 24), (level, 0, 0, 255)) for level in (10, 90, 170, 250)]
    for number, picture in enumerate(pictures):
        picture.paste((0, 0, 0, 0), (4 * number, 0, 4 * number + 4, 8))
    keywords = {"append_images": pictures[1:], "duration": [100, 0, 40, 300], "disposal": 2, "format": "GIF"}
    for name in ("a.gif", "a.png"):
        pictures[0].save(tmp_path / name, save_all=True, **keywords)
    with open_video(tmp_path / "a.gif") as gif, open_video(tmp_path / "a.png", reader) as video:
        assert (len(video), video.size, video.fps, video.name) == (4, gif.size, gif.fps, "pyav")
        assert video.read([3, 0, 2, 1])[:, 20, 20, 0].tolist() == [250, 10, 170, 90]
        assert np.array_equal(video.read(range(4)), gif.read(range(4)))


def test_gif_of_one_frame_under_an_images_name_is_a_still_image(tmp_path):
    Image.new("RGB", (32, 24)).save(tmp_path / "a.png", format="GIF")
    with open_video(tmp_path / "a.png") as video:
        assert (len(video), video.fps, video.name) == (1, 0.0, "image")


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_animated_image_that_is_cut_off_is_unreadable(tmp_path, name):
    pictures = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (24, 32, 3), np.uint8)) for n in range(4)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=100)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UnreadableVideo, match="a.*: "):
        read_all(tmp_path / name, "auto")


def test_folder_of_numbered_images_is_a_video(tmp_path):
    for number in (8, 9, 10, 11):
        Image.new("RGB", (32, 24), (number * 10,) * 3).save(tmp_path / f"frame_{number}.png")
    with open_video(tmp_path) as video:
        assert (len(video), video.size, video.name) == (4, (24, 32), "images")
        assert video.read([3, 0, 2])[:, 0, 0, 0].tolist() == [110, 80, 100]


@pytest.mark.parametrize(
    "names, reason",
    [
        ([], "without images"),
        (["0001.png", "0003.png"], "image 2 is missing between 1 and 3"),
        (["a1.png", "b2.png"], "several names"),
        (["1.png", "2.jpg"], "several names or kinds"),
        (["1.png", "01.png"], "the same number"),
        (["one.png"], "no number"),
    ],
)
def test_folder_that_is_no_video_says_why(tmp_path, names, reason):
    for name in names:
        Image.new("RGB", (32, 24)).save(tmp_path / name)
    with pytest.raises(UnreadableVideo, match=reason):
        open_video(tmp_path)


def test_images_of_one_video_have_one_size(tmp_path):
    Image.new("RGB", (32, 24)).save(tmp_path / "1.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "2.png")
    with pytest.raises(UnreadableVideo, match="change size from 24x32 to 32x32"):
        read_all(tmp_path, "auto")


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile other.mkv\n", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mkv\n"]
)
def test_playlist_under_a_videos_name_opens_nothing_else(make_video, tmp_path, text):
    make_video("other.mkv")
    (tmp_path / "list.mp4").write_text(text)
    for reader in READERS:
        with pytest.raises(UnreadableVideo, match="not a video"):
            open_video(tmp_path / "list.mp4", reader)


@pytest.mark.parametrize("reader", READERS)
def test_gigantic_frames_are_refused_before_one_is_decoded(make_video, monkeypatch, reader):
    monkeypatch.setattr("mindone_tae.data.readers.container._LARGEST_PIXELS", 64 * 95)
    with pytest.raises(UnreadableVideo, match="its frames are 64x96; at most 6080 pixels"):
        open_video(make_video("clip.mp4"), reader)


def test_mean_rate_of_a_steady_video_is_exact(make_video):
    with open_video(make_video("clip.mkv"), "pyav") as video:
        assert Fraction(video.fps) == 20
