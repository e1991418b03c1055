import subprocess
import sys


def test_data_room_imports_neither_mindspore_nor_opencv_nor_models():
    code = (
        "import sys, mindone_tae.data as data; light = 'av' not in sys.modules and 'PIL' not in sys.modules;"
        "[getattr(data, name) for name in data.__all__];"
        "heavy = [m for m in sys.modules if m.split('.')[0] in ('mindspore', 'mindone', 'cv2', 'skimage')"
        " or m.startswith('mindone_tae.models')];"
        "print(light, heavy)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True []\n"
