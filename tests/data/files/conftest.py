"""A folder of files to check."""

import pytest
from PIL import Image


@pytest.fixture
def clips(make_video, tmp_path):
    """A folder of two videos, an image and two bad files, and a table of them."""
    make_video("clips/a.mp4", 24)
    make_video("clips/sub/b, ü.mkv", 12, size=(32, 48))
    Image.new("RGB", (20, 10)).save(tmp_path / "clips/c.png")
    (tmp_path / "clips/empty.mp4").touch()
    (tmp_path / "clips/text.mp4").write_text("not a video")
    names = ["a.mp4", "sub/b, ü.mkv", "c.png", "empty.mp4", "text.mp4", "gone.mp4"]
    rows = "".join(f'"{name}",about {number}\n' for number, name in enumerate(names))
    (tmp_path / "clips/list.csv").write_text(f"video,caption\n{rows}")
    return tmp_path / "clips"
