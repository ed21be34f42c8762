"""Answers about published copies, kept in memory: an open page asks the same again and again, and a copy does not change."""

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar, TypeVarTuple

from storage.warehouse.analytics import version_of

_Asked = TypeVarTuple("_Asked")
_Answer = TypeVar("_Answer")
_Version = tuple[int, int] | None

_ANSWERS_KEPT = 128


def kept_for_each_copy(read_copy: Callable[[Path, *_Asked], _Answer]) -> Callable[[Path, *_Asked], _Answer]:
    """Keep the last answers of a function about each published copy; those about an older copy go with its first answer about a newer."""
    return _keeping(read_copy, _ANSWERS_KEPT)


def newest_kept_for_each_copy(read_copy: Callable[[Path, *_Asked], _Answer]) -> Callable[[Path, *_Asked], _Answer]:
    """Keep only the last answer about each published copy: of a function that is asked about now, earlier answers serve nobody."""
    return _keeping(read_copy, 1)


def _keeping(read_copy: Callable[[Path, *_Asked], _Answer], most_of_copy: int) -> Callable[[Path, *_Asked], _Answer]:
    kept = _Answers[_Answer](most_of_copy)

    @wraps(read_copy)
    def of_this_copy(published: Path, *asked: *_Asked) -> _Answer:
        version = version_of(published)
        answer = kept.find(published, version, asked)
        if answer is None:
            answer = (read_copy(published, *asked),)
            kept.add(published, version, asked, answer)
        return answer[0]

    return of_this_copy


class _Answers(Generic[_Answer]):
    """The answers of one function, the last used last. Safe to share between threads; two that ask at once may both read."""

    def __init__(self, most_of_copy: int) -> None:
        self._most_of_copy = most_of_copy
        self._answers: OrderedDict[tuple[Path, _Version, object], tuple[_Answer]] = OrderedDict()
        self._lock = Lock()

    def find(self, published: Path, version: _Version, asked: object) -> tuple[_Answer] | None:
        """The answer, in a tuple as it may be None itself; None where it is not kept."""
        with self._lock:
            answer = self._answers.get((published, version, asked))
            if answer:
                self._answers.move_to_end((published, version, asked))
            return answer

    def add(self, published: Path, version: _Version, asked: object, answer: tuple[_Answer]) -> None:
        """Keep an answer, in the place of those about other versions of the file and of what is too many."""
        with self._lock:
            self._answers[published, version, asked] = answer
            of_file = [key for key in self._answers if key[0] == published]
            of_copy = [key for key in of_file if key[1] == version]
            for key in {*of_file} - {*of_copy[-self._most_of_copy :]}:
                del self._answers[key]
            if len(self._answers) > _ANSWERS_KEPT:
                self._answers.popitem(last=False)
