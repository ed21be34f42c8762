"""Errors cross process borders with Prefect states; none may lose its message or its fields on the way."""

import pickle

import pytest

from adpulse import errors
from adpulse.errors import AdpulseError, RateLimited


def every_error(root=AdpulseError):
    yield root
    for child in root.__subclasses__():
        yield from every_error(child)


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=lambda kind: kind.__name__))
def test_error_survives_a_pickle_round_trip(kind):
    error = pickle.loads(pickle.dumps(kind("what happened", "17/2446079")))  # noqa: S301 - our own bytes

    assert (type(error), str(error), error.code) == (kind, "what happened", "17/2446079")


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=lambda kind: kind.__name__))
def test_no_error_repeats_the_token_that_a_platform_repeated(kind):
    token = "EAA" + "b7" * 20
    error = kind(f"Meta refused a request: Invalid request: fields=id&access_token={token}", "100")

    assert token not in f"{error}{error!r}{error.args}{vars(error)}"
    assert str(error).startswith("Meta refused a request")


def test_rate_limited_keeps_its_hint_and_scope_through_pickle():
    error = pickle.loads(pickle.dumps(RateLimited("wait", "4", 90.0, "app")))  # noqa: S301 - our own bytes

    assert (error.retry_after, error.scope) == (90.0, "app")


def test_the_tree_in_the_docstring_names_every_class():
    missing = [kind.__name__ for kind in every_error() if kind.__name__ not in errors.__doc__]

    assert missing == []
