"""What is built from this checkout holds all it should, and works in an environment that has never seen the checkout.

The environment sees the third-party packages that are installed here; `make fresh` installs all of them from pip's
index.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mindone_tae
from mindone_tae.data import open_video, write_video

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tools"))
from check_distributions import problems, tracked

# what is called leaves other words in sys.argv
BUILD = """
import sys
import setuptools.build_meta as backend
dist, *kinds = sys.argv[1:]
for kind in kinds:
    getattr(backend, f"build_{kind}")(dist)
"""

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout"
)


@pytest.fixture(scope="module")
def files():
    return tracked(CHECKOUT)


@pytest.fixture(scope="module")
def built(files, tmp_path_factory):
    """The folder of our sdist and wheel and of the plugin's wheel, built from a copy, as building writes beside it."""
    folder = tmp_path_factory.mktemp("built")
    source, dist = folder / "source", folder / "dist"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, source / name)
    for place, kinds in ((source, ("sdist", "wheel")), (source / "examples/plugin", ("wheel",))):
        words = [sys.executable, "-c", BUILD, str(dist), *kinds]
        done = subprocess.run(words, cwd=place, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return dist


@pytest.fixture(scope="module")
def fresh(built, tmp_path_factory):
    """Runs a command of an environment in which the two wheels are installed; gives the finished process."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env/bin/python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    wheels = [str(path) for path in built.glob("*.whl")]
    words = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", *wheels]
    done = subprocess.run([*words, "--quiet", "--disable-pip-version-check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # where packages are installed here; the .pth by which an editable install of this one is found counts in its own
    # place only
    seen = [path for path in sys.path if any(Path(path).glob("*.dist-info"))]
    (site / "seen.pth").write_text("\n".join(seen))

    def run(*words):
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        words = [folder / "env/bin" / words[0], *words[1:]]
        return subprocess.run(list(map(str, words)), cwd=folder, env=environment, capture_output=True, text=True)

    run.folder = folder
    return run


def test_the_sdist_holds_what_git_tracks_and_the_wheel_the_package_its_recipes_weights_and_licence(files, built):
    (sdist,), (wheel,) = built.glob("mindone_tae*.tar.gz"), built.glob("mindone_tae*.whl")
    assert problems(files, sdist, wheel) == []
    # the same check sees what is missing
    assert problems([*files, "tests/absent.py"], sdist, wheel) == ["the sdist lacks tests/absent.py"]
    assert (
        problems(["configs/tae/absent.yaml"], sdist, wheel)[1] == "the wheel lacks mindone_tae/configs/tae/absent.yaml"
    )


def test_a_link_is_its_text_where_there_is_no_repository_to_lead_to_and_an_address_where_there_is():
    import runpy

    for_an_index = runpy.run_path(str(CHECKOUT / "setup.py"), run_name="setup_py")["for_an_index"]
    text = "See [latents](docs/latents.md) and [the paper](https://arxiv.org/abs/2410.13720).\n\n"
    readme = text + "![A clip](docs/demo.png)\n\nEnd.\n"
    assert for_an_index(readme) == "See latents and [the paper](https://arxiv.org/abs/2410.13720).\n\nEnd.\n"
    absolute = for_an_index(readme, "https://example.org/tae/")
    assert "[latents](https://example.org/tae/blob/main/docs/latents.md)" in absolute
    assert "![A clip](https://example.org/tae/raw/main/docs/demo.png)" in absolute


def test_the_wheel_is_found_outside_the_checkout_and_lists_its_names_and_the_plugins(fresh):
    where = fresh("python", "-c", "import mindone_tae; print(mindone_tae.__file__)")
    assert where.returncode == 0, where.stderr
    assert Path(where.stdout.strip()).is_relative_to(fresh.folder)
    assert not Path(where.stdout.strip()).samefile(mindone_tae.__file__)
    listed = fresh("mindone-tae", "list")
    assert listed.returncode == 0, listed.stderr
    assert {"tae", "frame_critic", "worst_pixel", "tae/train/tiny_64x64x8"} <= set(listed.stdout.split())


def test_the_wheel_reconstructs_with_the_weights_it_carries_and_runs_a_plugins_command(fresh):
    frames = np.full((9, 64, 64, 3), 160, np.uint8)
    frames[:, 16:48, 16:48] = 64
    write_video(fresh.folder / "clip.mp4", frames, 8)
    done = fresh("mindone-tae", *"reconstruct clip.mp4 --ckpt_path tiny --image_size 64 --output_path seen".split())
    assert done.returncode == 0, done.stderr
    (written,) = (fresh.folder / "seen/reconstruction").iterdir()
    with open_video(written) as video:
        recon = video.read(range(len(video)))
    assert recon.shape == frames.shape
    inside, outside = recon[:, 20:44, 20:44].mean(), recon[:, :12].mean()
    assert abs(inside - 64) < 30 and abs(outside - 160) < 30

    counted = fresh("mindone-tae", "count-frames", "clip.mp4")
    assert (counted.returncode, counted.stdout) == (0, "clip.mp4: 9 frames\n"), counted.stderr
