"""What can be wrong with the files a run reads and writes.

::

    RunError            one clear sentence for a person: file, place, expected, got
    ├── DataError       the training data cannot be used
    └── RunFolderError  the run folder cannot be written
"""


class RunError(Exception):
    """A run cannot begin or go on because of something its user can put right."""


class DataError(RunError):
    """The training data cannot be used; the message names the file, and the line where there is one."""


class RunFolderError(RunError):
    """The run folder cannot be created or written; the message names the path and the system's reason."""
