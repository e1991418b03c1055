"""Files that turn out to be unreadable while a run trains."""

import logging

_logger = logging.getLogger(__name__)


class UnreadableFiles:
    """Writes down the files that a dataset could not read.

    Args:
        dataset: that may come upon them.
        run_folder: RunFolder.
        ranks: Ranks.
    """

    def __init__(self, dataset, run_folder, ranks):
        self._dataset = dataset
        self._run_folder = run_folder
        self._ranks = ranks
        self._known = {}

    def report(self, everywhere=True):
        """Writes the list anew where there are more than before.

        Args:
            everywhere: files found on any rank, all of which call this together; otherwise those found on this one.
        """
        found = [[str(path), str(reason)] for path, reason in getattr(self._dataset, "unreadable", ())]
        parts = self._ranks.gather(found) if everywhere else [found]
        before = len(self._known)
        for part in parts:
            self._known.update(part)  # by path: each rank may have come upon it
        if len(self._known) > before and self._ranks.first:
            self._run_folder.write_unreadable(self._known.items())
            text = "%d files cannot be used and are left out, listed in %s"
            _logger.warning(text, len(self._known), self._run_folder.unreadable)
