"""Why the command cannot do its work, in a sentence that a person can act on."""


class SetupError(Exception):
    """The configuration, the data directory or the machine does not allow it; the text says why and what to do."""
