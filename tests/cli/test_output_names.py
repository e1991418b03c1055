import os
from pathlib import Path

from mindone_tae.cli.output_names import output_file


def test_names_of_different_clips_differ_whatever_is_made_of_them():
    names = [
        "clip.avi",
        "clip.avi.mp4",
        "clip.mp4",
        "clip",
        "x.webp",
        "x.webp.png",
        "sub/clip.avi",
        "sub__clip.avi",
        "clip.avi.gif",
    ]
    files = {output_file("out", name, ending) for name in names for ending in (".mp4", ".png", ".gif")}
    assert len(files) == 3 * len(names)
    assert output_file("out", "sub/clip.avi", ".mp4") == Path("out/sub/clip.avi.mp4")


def test_no_name_leaves_the_folder():
    for name in ("../../clip.avi", "/etc/clip.avi", "sub/../../clip.avi"):
        assert (
            Path("out") in output_file("out", name, ".mp4").parents
            and ".." not in output_file("out", name, ".mp4").parts
        )


def test_a_name_that_would_be_too_long_is_cut_to_fit_and_stays_its_own():
    names = ["x" * 251 + ".mp4", "x" * 250 + "y.mp4", "deep/" + "é" * 125 + ".mp4"]
    files = [output_file("out", name, ".mp4.png") for name in names]
    assert len(set(files)) == 3 and all(len(os.fsencode(file.name)) <= 255 for file in files)
    assert files[2].parent == Path("out/deep") and files[0].name.endswith(".mp4.png")
