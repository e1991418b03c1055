"""Writes what `mindone-tae encode` wrote, in either form, as webdataset tars: see docs/corpora.md.

python tools/latents_to_tars.py --latent_folder outputs/latents --output_path outputs/tars
"""

import argparse
import sys
from pathlib import Path

from mindone_tae.cli.commands.decode import whole_latents
from mindone_tae.data.latents.tars import write_tars
from mindone_tae.zoo import UserError


def main(words=None):
    """Gives the exit status: 0 success, 2 a mistake that the user can mend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latent_folder", required=True, metavar="DIR", help="what encode wrote")
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets latents-00000.tar and on")
    parser.add_argument("--tar_size_mb", type=float, default=256.0, metavar="MB", help="of each tar (256)")
    options = parser.parse_args(words)
    try:
        latents = whole_latents(options.latent_folder)
        tars = write_tars(Path(options.output_path), latents, options.tar_size_mb)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(latents)} latents in {tars} tars: {options.output_path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
