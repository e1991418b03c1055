"""Makes a TAE of an SD3.5 image VAE: the command `mindone-tae inflate` under the name that MindONE's guide gives it.

python tools/inflate_vae_to_tae.py --src sd3.5/vae --target tae.safetensors --check
"""

import sys

from mindone_tae.cli import main

if __name__ == "__main__":
    main(["inflate", *sys.argv[1:]])
