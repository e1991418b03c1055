"""Checks an sdist and a wheel against the checkout that they were built from; `make dist` runs it.

    python tools/check_distributions.py dist              # what they hold, and what an index will show
    python tools/check_distributions.py dist --install    # installs the wheel too, from pip's index

With --install a virtual environment is made in a temporary folder; there the wheel reconstructs a clip and runs the
plugins of examples/: 4 GB, and some minutes.
"""

import argparse
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# Of the checkout, what the wheel holds, and under which name.
IN_WHEEL = (
    (re.compile(r"mindone_tae/.*"), r"\g<0>"),
    (re.compile(r"configs/(.*\.yaml)"), r"mindone_tae/configs/\1"),
    (re.compile(r"LICENSE"), r"LICENSE"),
)
# What would bring this environment's packages, or versions, into the fresh one.
NOT_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")
# Packages of examples/, and what `mindone-tae list` names of each.
EXAMPLES = {"plugin": ("frame_critic", "worst_pixel"), "generator": ("latent_flow", "flow_matching")}
WRITE_CLIP = """
import numpy as np
from mindone_tae.data import write_video
frames = np.full((9, 64, 64, 3), 160, np.uint8)
frames[:, 16:48, 16:48] = 64
write_video("clip.mp4", frames, 8)
"""
COMPARE_CLIPS = """
from pathlib import Path
from mindone_tae.data import open_video
(path,) = Path("seen/reconstruction").iterdir()
with open_video(path) as video:
    recon = video.read(range(len(video)))
inside, outside = recon[:, 20:44, 20:44].mean(), recon[:, :12].mean()
print(f"{recon.shape}: {inside:.0f} inside, where the clip is 64, and {outside:.0f} outside, where it is 160")
if recon.shape != (9, 64, 64, 3) or abs(inside - 64) > 30 or abs(outside - 160) > 30:
    raise SystemExit("the reconstruction does not look like the clip")
"""
BUILD_PLUGIN = """
import numpy as np
from mindone_tae.zoo import build
x = np.zeros((3, 2, 8, 8), np.float32)
assert build("metrics", {"name": "worst_pixel"})(x + 0.5, x) == 0.5
build("models", {"name": "latent_flow", "latent_size": [2, 2, 2], "width": 16})
"""


def tracked(checkout):
    """The files that git tracks, or would, as paths from the checkout; without those that are deleted."""
    words = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (checkout / name).is_file())


def problems(files, sdist, wheel):
    """What is wrong with the distributions, a line each.

    Args:
        files: paths from the checkout, as `tracked` gives them.
        sdist: path of the .tar.gz.
        wheel: path of the .whl.
    """
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
        metadata = next(name for name in in_wheel if name.endswith(".dist-info/METADATA"))
        shown = email.message_from_bytes(archive.read(metadata)).get_payload()
    found = [f"the sdist lacks {name}" for name in files if name not in in_sdist]
    in_wheel |= {name.rpartition("/")[2] for name in in_wheel if ".dist-info/" in name}
    for name in files:
        for pattern, put in IN_WHEEL:
            expected = pattern.sub(put, name)
            if pattern.fullmatch(name) and expected not in in_wheel:
                found.append(f"the wheel lacks {expected}")
    found += [f"the wheel holds {name}" for name in sorted(in_wheel) if name.startswith(("tests/", "tools/", "docs/"))]
    for text, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", shown):
        if not target.startswith(("https://", "http://", "#")):
            found.append(f"an index would show the link {text!r} to {target}, which leads nowhere there")
    if len(shown) < 1000:
        found.append("the long description is empty or nearly so")
    return found


def install(sdist, wheel):
    """Installs the wheel into a fresh environment, as pip finds what it needs, and uses it there.

    Then the packages of examples/, as the sdist holds them: other people's plugins.

    Raises:
        CalledProcessError: a command failed.
        SystemExit: a command did something else than it should.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        venv.create(folder / "env", with_pip=True)
        shutil.unpack_archive(sdist, folder)
        examples = folder / sdist.name.removesuffix(".tar.gz") / "examples"
        environment = {key: value for key, value in os.environ.items() if key not in NOT_PASSED_ON}

        def run(*words):
            print("$", *words, flush=True)
            words = [str(folder / "env/bin" / words[0]), *map(str, words[1:])]
            done = subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
            print(done.stdout, end="", flush=True)
            done.check_returncode()
            return done.stdout

        pip = ("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, wheel.resolve())
        run("python", "-m", "pip", "check", "--disable-pip-version-check")
        run("python", "-c", WRITE_CLIP)
        run("mindone-tae", *"reconstruct clip.mp4 --ckpt_path tiny --image_size 64 --output_path seen".split())
        run("python", "-c", COMPARE_CLIPS)
        run(*pip, *(examples / name for name in EXAMPLES))
        listed = run("mindone-tae", "list").split()
        if missing := [name for names in EXAMPLES.values() for name in names if name not in listed]:
            raise SystemExit(f"mindone-tae list does not name {', '.join(missing)} of the installed plugins")
        if (counted := run("mindone-tae", "count-frames", "clip.mp4")) != "clip.mp4: 9 frames\n":
            raise SystemExit(f"the plugin's command printed {counted!r}; the clip has 9 frames")
        run("python", "-c", BUILD_PLUGIN)


def main():
    """Exit status 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds one .tar.gz and one .whl")
    parser.add_argument("--install", action="store_true")
    options = parser.parse_args()
    (sdist,), (wheel,) = options.folder.glob("*.tar.gz"), options.folder.glob("*.whl")
    found = problems(tracked(CHECKOUT), sdist, wheel)
    print("\n".join(found) or f"{sdist.name} and {wheel.name} hold what they should")
    if options.install and not found:
        install(sdist, wheel)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
