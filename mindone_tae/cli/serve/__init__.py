"""`mindone-tae serve`: a page on this machine on which a video is dropped and its report is shown."""
