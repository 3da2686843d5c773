"""What a long-running program tells the collector of garbage."""

import gc


def keep_what_was_loaded() -> None:
    """Leave everything that the program holds now out of every later search for garbage.

    Called once, when a server has loaded its code, policies and catalogues: they stay until it
    ends, and looking through them again and again is a tenth of what a settlement costs.
    """
    gc.collect()
    gc.freeze()
