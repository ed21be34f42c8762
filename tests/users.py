"""Other users of the machine, for tests that root runs."""

import os

_NOBODY = 65534


def as_nobody(call):
    """What ``call`` returns, as text, in a child process that is in no group and has no rights; or the text of its error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
            said = str(call())
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent is told
            said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said
