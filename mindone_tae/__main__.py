"""python -m mindone_tae: the command mindone-tae."""

from .cli import main

if __name__ == "__main__":
    main()
