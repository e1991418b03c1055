"""`mindone-tae count-frames VIDEO ...`: how many frames a viewer sees of each."""


def add_to(commands):
    """Adds the command; nothing heavy is imported here."""
    parser = commands.add_parser("count-frames", help="how many frames a viewer sees of each video")
    parser.add_argument("files", nargs="+", metavar="VIDEO")
    parser.set_defaults(command=run)


def run(options, console):
    """Opens each video and prints its count."""
    from mindone_tae.data import open_video

    for file in options.files:
        with open_video(file) as video:
            console.print(f"{file}: {len(video)} frames")
