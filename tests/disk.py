"""A disk that is full."""

import resource
from contextlib import contextmanager


@contextmanager
def files_no_longer_than(size):
    """No file may grow beyond ``size`` bytes, in child processes neither."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
