"""High dynamic range in a check and in data sets: left out by name, or tone-mapped."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from checked import check_data, rows_of
from PIL import Image, features

from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.data.transforms import to_pixels
from mindone_tae.zoo.errors import UserError

CASES = Path(__file__).parents[1] / "readers" / "cases"


@pytest.fixture
def hdr(tmp_path):
    """A folder of a video of PQ, one of HLG, and one that is neither."""
    (tmp_path / "hdr").mkdir()
    for name in ("hdr_pq.mp4", "hdr_hlg.mp4", "raw.mp4"):
        shutil.copy(CASES / name, tmp_path / "hdr")
    return tmp_path / "hdr"


@pytest.mark.parametrize("check_files", [True, False])
def test_high_dynamic_range_is_left_out_by_name_unless_it_is_tone_mapped(hdr, check_files):
    keywords = {
        "folder": str(hdr),
        "size": 64,
        "sample_n_frames": 2,
        "deterministic_sample": True,
        "check_files": check_files,
    }
    left_out = TAEVideoDataset(**keywords)
    (sample,) = left_out[0]
    reasons = {os.path.basename(path): reason for path, reason in left_out.unreadable}
    assert reasons == {
        f"hdr_{kind}.mp4": f"high dynamic range ({kind}): left out unless hdr is tonemap" for kind in ("hlg", "pq")
    }
    assert left_out.describe(0)["relative_path"] == "raw.mp4" and sample.shape == (3, 2, 64, 64)
    mapped = TAEVideoDataset(hdr="tonemap", **keywords)
    with (
        open_video(hdr / "hdr_pq.mp4") as as_it_is,
        open_video(hdr / "hdr_pq.mp4", timeout_s=30, tone_map=True) as video,
    ):
        flat, wanted = as_it_is.read([0])[0], video.read([0])[0]
    assert wanted.std() > 1.2 * flat.std()  # PQ looks flat
    assert len(mapped) == 3 and not mapped.unreadable
    assert np.abs(to_pixels(mapped[1][0])[0].mean() - wanted.mean()) < 8  # the centre of it
    with pytest.raises(UserError, match="hdr is 'tone_map'; it must be one of refuse, tonemap"):
        TAEVideoDataset(hdr="tone_map", **keywords)


@pytest.mark.parametrize("hdr_flag", ["refuse", "tonemap"])
def test_manifest_tells_transfer_and_guessed_rates_and_each_data_set_decides(hdr, tmp_path, capsys, hdr_flag):
    assert check_data(hdr, "--output_path", tmp_path / "out", "--hdr", hdr_flag) == 0
    rows = rows_of(tmp_path / "out/manifest.csv")
    assert {name: row["transfer"] for name, row in rows.items()} == {
        "hdr_pq.mp4": "pq",
        "hdr_hlg.mp4": "hlg",
        "raw.mp4": "",
    }
    assert {name: row["fps_is_guess"] for name, row in rows.items()} == {
        "hdr_pq.mp4": "0",
        "hdr_hlg.mp4": "0",
        "raw.mp4": "1",
    }
    refused = sorted(name for name, row in rows.items() if row["reason"].startswith("high dynamic range"))
    assert refused == (["hdr_hlg.mp4", "hdr_pq.mp4"] if hdr_flag == "refuse" else [])
    assert "the rate of 1 files is a guess" in capsys.readouterr().out
    keywords = {
        "manifest_path": str(tmp_path / "out/manifest.csv"),
        "folder": str(hdr),
        "size": 64,
        "sample_n_frames": 2,
    }
    assert len(TAEVideoDataset(**keywords)) == 1 and len(TAEVideoDataset(hdr="tonemap", **keywords)) == 3


def tagged_png(path, transfer):
    """A PNG with a cICP chunk of BT.2020 primaries and a transfer characteristic by its number in H.273."""
    Image.new("RGB", (96, 64), (90, 120, 60)).save(path)
    data, body = path.read_bytes(), b"cICP" + bytes([9, transfer, 0, 1])
    path.write_bytes(data[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:])


def tagged_avif(path, transfer, frames):
    pictures = [Image.new("RGB", (96, 64), (90, 120, 60 + number)) for number in range(frames)]
    pictures[0].save(path, save_all=frames > 1, append_images=pictures[1:], duration=50)
    parts = path.read_bytes().split(b"colrnclx")
    assert len(parts) > 1
    path.write_bytes(parts[0] + b"".join(b"colrnclx\0\x09\0" + bytes([transfer]) + part[4:] for part in parts[1:]))


@pytest.mark.parametrize("hdr_flag", ["refuse", "tonemap"])
def test_images_of_high_dynamic_range_are_left_out_whatever_hdr_says(tmp_path, hdr_flag):
    folder = tmp_path / "images"
    (folder / "sequence").mkdir(parents=True)
    for name, transfer in {"pq.png": 16, "hlg.png": 18, "sdr.png": 1, "sequence/1.png": 16}.items():
        tagged_png(folder / name, transfer)
    wanted = {"pq.png": "pq", "hlg.png": "hlg", "sdr.png": "", "sequence": "pq"}
    if features.check("avif"):
        for name, (transfer, frames) in {"pq.avif": (16, 1), "hlg.avif": (18, 4), "sdr.avif": (1, 1)}.items():
            tagged_avif(folder / name, transfer, frames)
        wanted |= {"pq.avif": "pq", "hlg.avif": "hlg", "sdr.avif": "bt709"}
    (folder / "list.csv").write_text("\n".join(["video", *wanted]))
    assert check_data(folder / "list.csv", "--output_path", tmp_path / "out", "--hdr", hdr_flag) == 0
    rows = rows_of(tmp_path / "out/manifest.csv")
    assert {name: row["transfer"] for name, row in rows.items()} == wanted
    told = {
        name: f"high dynamic range ({kind}) of an image, which hdr does not convert: save it as SDR"
        for name, kind in wanted.items()
        if kind in ("pq", "hlg")
    }
    assert {name: row["reason"] for name, row in rows.items() if row["reason"]} == told
    data = TAEVideoDataset(csv_path=str(folder / "list.csv"), size=64, sample_n_frames=1, hdr=hdr_flag)
    assert len(data) == len(wanted) - len(told)
