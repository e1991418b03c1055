"""The HTML file of one report and of several, and its video."""

import base64
import io
import json
import re

import av
import numpy as np
import pytest
from grey_reports import FPS, frames_of, record
from PIL import Image

from mindone_tae.cli.report import media
from mindone_tae.cli.report.page import write_page
from mindone_tae.cli.report.sheet_video import BIT_PX, BITS, Sheet
from mindone_tae.cli.report.stored import open_reports
from mindone_tae.zoo import UserError


def data_of(path):
    """What the page's script reads."""
    return json.loads(
        re.search(r'<script type="application/json" id="report">(.*?)</script>', path.read_text(), re.DOTALL)[1]
    )


def media_of(path, number):
    return base64.b64decode(re.search(rf'id="media-{number}">(.*?)</script>', path.read_text())[1])


def test_a_page_names_no_address_and_allows_none():
    # the policy in the head allows what the file holds; nothing else could be fetched even if a script asked
    parts = media.__file__.replace("media.py", "page/page.html")
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', open(parts, encoding="utf-8").read())[1]
    assert policy.startswith("default-src 'none';") and "connect-src" not in policy and "http" not in policy


def test_the_frames_in_the_page_are_h264_that_browsers_play_and_lie_where_the_page_says(one_clip):
    clip = data_of(one_clip)["clips"][0]
    with av.open(io.BytesIO(media_of(one_clip, 0))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, float(stream.average_rate)) == (
            "h264",
            "yuv420p",
            FPS,
        )
        assert stream.codec_context.has_b_frames == 0
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == clip["shown"] == 24
    left, top = clip["sheet"]["cells"]["model"]
    wanted = frames_of("model")
    for number, frame in enumerate(frames):
        shown = frame[top : top + 64, left : left + 96].astype(int)
        assert abs(shown[16:] - wanted[number][16:]).max() <= 4
        bits = frame[clip["sheet"]["band"][1] + BIT_PX // 2, BIT_PX // 2 : BITS * BIT_PX : BIT_PX, 1] > 127
        assert sum(1 << i for i, bit in enumerate(bits) if bit) == number


def test_the_cost_that_the_page_tells_is_the_psnr_of_its_video(one_clip):
    clip = data_of(one_clip)["clips"][0]
    with av.open(io.BytesIO(media_of(one_clip, 0))) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
    left, top = clip["sheet"]["cells"]["source"]
    errors = [
        np.mean((frame[top : top + 64, left : left + 96] - wanted) ** 2)
        for frame, wanted in zip(frames, frames_of("source"))
    ]
    assert clip["cost"]["source"] == pytest.approx(np.mean(10 * np.log10(255**2 / np.array(errors))), abs=1)


def test_an_image_is_kept_without_loss(tmp_path):
    page = write_page(tmp_path / "report.html", [record(tmp_path, {"a.png": 1})])
    clip, image = data_of(page)["clips"][0], np.asarray(Image.open(io.BytesIO(media_of(page, 0))))
    left, top = clip["sheet"]["cells"]["source"]
    assert clip["still"] and np.array_equal(image[top : top + 64, left : left + 96], frames_of("source", 1)[0])


def test_a_clips_name_cannot_end_the_script_or_take_a_marks_place(tmp_path):
    name = "</script><script>alert(1)</script> @SCRIPT@ @DATA@"
    page = write_page(tmp_path / "report.html", [record(tmp_path, {name: 1})])
    assert data_of(page)["clips"][0]["name"] == name
    assert "<script>alert" not in page.read_text().replace("&lt;", "")


@pytest.mark.parametrize("size, count", [((8, 8), 3), ((64, 96), 9), ((720, 1280), 5)])
def test_cells_of_a_sheet_do_not_overlap_and_begin_at_macroblocks(size, count):
    sheet = Sheet([str(i) for i in range(count)], size)
    taken = np.zeros(sheet.size, int)
    for left, top in sheet.cells.values():
        assert left % 16 == top % 16 == 0
        taken[top : top + size[0], left : left + size[1]] += 1
    left, top = sheet.band
    taken[top : top + BIT_PX, left : left + BITS * BIT_PX] += 1
    assert taken.max() == 1 and taken.sum() == count * size[0] * size[1] + BITS * BIT_PX**2
    assert all(side % 2 == 0 for side in sheet.size)


def test_large_sheets_shrink_by_a_whole_factor_to_what_telephones_play():
    assert media._shrinking(7, 256, 456) == 1
    factor = media._shrinking(7, 1080, 1920)
    assert factor > 1 and 7 * (1080 // factor) * (1920 // factor) <= 4096 * 2304
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert media._shrunk(picture, 2)[1, 2].tolist() == picture[2:4, 4:6].reshape(4, 3).mean(axis=0).round().tolist()


def test_the_error_scale_is_the_smallest_that_99_of_100_pixels_stay_below():
    counts = np.zeros(256, int)
    counts[3], counts[20] = 990, 9
    assert media.error_scale([counts]) == 8
    counts[20] = 30
    assert media.error_scale([counts]) == 32
    counts[255] = 1000
    assert media.error_scale([counts]) == 255


def test_two_reports_share_clips_and_baselines_and_not_clips_of_other_pixels(tmp_path):
    one = record(tmp_path / "runs/one/evaluation", {"a.mp4": 9, "b.mp4": 3}, "one", 0)
    other = record(tmp_path / "runs/other/evaluation", {"b.mp4": 4, "a.mp4": 9}, "other", 1)
    data = data_of(write_page(tmp_path / "both.html", [one, other]))
    assert [(entry["key"], entry["label"]) for entry in data["contestants"]] == [
        ("model0", "one"),
        ("model1", "other"),
        ("average_pooling", "average pooling"),
    ]
    assert [(clip["name"], clip["shown"], list(clip["figures"])) for clip in data["clips"]] == [
        ("a.mp4", 9, ["model0", "model1", "average_pooling"]),
        ("b.mp4", 3, ["model0", "average_pooling"]),
        ("b.mp4", 4, ["model1", "average_pooling"]),
    ]
    assert data["clips"][0]["figures"]["model0"] != data["clips"][0]["figures"]["model1"]
    assert [row["clip"] for row in data["rows"]] == [0, 1, 2]


def test_a_folder_without_a_report_is_told(tmp_path):
    with pytest.raises(UserError, match="report.json cannot be read .* give a folder of theirs"):
        open_reports([tmp_path])
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.json").write_text('{"format": "other"}')
    with pytest.raises(UserError, match="another version"):
        open_reports([tmp_path])
