"""Makes the one file that LPIPS is read from (loss.lpips_path) of PyTorch's two, without PyTorch and without running what they hold.

    python tools/convert_lpips.py --vgg vgg16-397923af.pth --linear vgg.pth --target lpips_vgg.safetensors

--vgg: torchvision's, https://download.pytorch.org/models/vgg16-397923af.pth
--linear: lpips/weights/v0.1/vgg.pth of https://github.com/richzhang/PerceptualSimilarity
"""

import argparse
import sys

from mindone_tae.losses.lpips.conversion import convert_lpips
from mindone_tae.zoo import UserError


def main():
    """Reads the arguments and converts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vgg", required=True, metavar="PTH", help="torchvision's VGG16")
    parser.add_argument("--linear", required=True, metavar="PTH", help="LPIPS's linear layers for VGG16, version 0.1")
    parser.add_argument("--target", required=True, metavar="SAFETENSORS", help="file to write")
    options = parser.parse_args()
    try:
        count = convert_lpips(options.vgg, options.linear, options.target)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.target}: {count} tensors; set loss.lpips_path to it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
