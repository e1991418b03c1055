"""Reports files that turn out to be unreadable while a run trains."""

import logging

from ..protocols import unreadable_files

_logger = logging.getLogger(__name__)


class UnreadableFiles:
    """Lists the files that a dataset could not read in the run's folder.

    Args:
        dataset: by `protocols`.
        run_folder: RunFolder.
        ranks: Ranks.
    """

    def __init__(self, dataset, run_folder, ranks):
        self._dataset = dataset
        self._run_folder = run_folder
        self._ranks = ranks
        self._known = {}

    def report(self, everywhere: bool = True) -> None:
        """Writes the list again if it has grown.

        Args:
            everywhere: include files found on all ranks, which must call this together; otherwise on this one only.
        """
        found = unreadable_files(self._dataset)
        parts = self._ranks.gather(found) if everywhere else [found]
        before = len(self._known)
        for part in parts:
            self._known.update(part)  # by path: several ranks may have found one file
        if len(self._known) > before and self._ranks.first:
            self._run_folder.write_unreadable(self._known.items())
            text = "%d files cannot be used and are left out, listed in %s"
            _logger.warning(text, len(self._known), self._run_folder.unreadable)
