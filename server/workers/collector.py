"""Python's garbage collector, kept from what stays for the life of a worker."""

import gc


def leave_all_there_is() -> None:
    """Have no collection look at what is there by now again.

    A full one would look through all libraries and models, and stop everything for most of a second;
    thousands of targets bring one about.
    """
    gc.collect()
    gc.freeze()
