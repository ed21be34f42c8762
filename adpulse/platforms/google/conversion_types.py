"""The conversions of a whole customer by category and conversion action. Pure."""

import numpy as np
import pyarrow as pa

from adpulse.attribution import CONVERSION_DATE
from adpulse.conversion_types import ConversionType, ConversionTypes
from adpulse.errors import Unavailable
from adpulse.metrics import MICROS
from adpulse.platforms.google.normalise import ACTION, CATEGORY, micros
from adpulse.platforms.google.requests import ACTION_NAME, DATED_SPLIT, DATED_VALUE, SPLIT, VALUE
from adpulse.refused_rows import LARGEST

_NUMBERS = (SPLIT, VALUE, DATED_SPLIT, DATED_VALUE)


def conversion_types(answer: pa.Table, about: str) -> ConversionTypes:
    """Every conversion action of the answer; secondary ones have no conversions, so Google leaves them out.

    Raises:
        Unavailable: a number is none, or too large.
    """
    if not all((np.abs(answer[name].to_numpy()) <= LARGEST / MICROS).all() for name in _NUMBERS):  # not a number is no less
        raise Unavailable(f"Google's conversions of {about} cannot be read: a number is none.", "malformed")
    columns = (answer[CATEGORY], answer[ACTION], answer[ACTION_NAME])
    numbers = [micros(answer[name]).to_pylist() for name in _NUMBERS]
    rows = zip(*(column.to_pylist() for column in columns), *numbers, strict=True)
    types = (
        ConversionType(
            names=(category, action.rpartition("/")[2]),
            title=title,
            count=count,
            value=value,
            counts_in={CONVERSION_DATE: happened},
            values_in={CONVERSION_DATE: worth},
        )
        for category, action, title, count, value, happened, worth in rows
    )
    return ConversionTypes(types=tuple(types))
