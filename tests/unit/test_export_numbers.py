"""A number of an export is read as it was meant, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adpulse.errors import Usage
from adpulse.verification.numbers import Notation, NumberCell, notation_of

STYLES = [(group, decimal) for decimal in ".," for group in ("", ".", ",", " ", "\u00a0", "\u202f", "'", "\u2019") if group != decimal]
AROUND = ["{}", " {} ", "{} €", "€{}", "$ {}", "{}\u00a0£"]


def written(number, group, decimal, digits):
    sign, whole, part = ("-" if number < 0 else ""), *f"{abs(number):.{digits}f}".partition(".")[::2]
    return sign + f"{int(whole):,}".replace(",", group) + (decimal + part if digits else "")


def cells(texts, *, whole=False):
    return [NumberCell(text=text, column="Cost", line=n, whole=whole) for n, text in enumerate(texts, 2)]


amounts = st.tuples(st.integers(-(10**12), 10**12), st.integers(0, 6)).map(lambda pair: (Decimal(pair[0]).scaleb(-pair[1]), pair[1]))


@given(st.lists(amounts, min_size=1), st.sampled_from(STYLES), st.sampled_from(AROUND))
@example([(Decimal("1.234"), 3)], ("", "."), "{}")
def test_numbers_read_back_exactly_in_any_style_or_are_refused(numbers, style, around):
    column = cells([around.format(written(number, *style, digits)) for number, digits in numbers])

    told = notation_of(column, Notation(style[1]))
    assert [cell.value(told) for cell in column] == [number for number, _ in numbers]

    try:
        found = notation_of(column)
    except Usage as error:
        refused = str(error)
    else:
        refused = None

    if refused:
        assert "may be two numbers" in refused
    else:
        assert [cell.value(found) for cell in column] == [number for number, _ in numbers]


@given(st.lists(st.integers(0, 10**12), min_size=1), st.sampled_from(STYLES))
def test_whole_numbers_are_never_ambiguous(numbers, style):
    column = cells([written(Decimal(number), *style, 0) for number in numbers], whole=True)

    assert [cell.value(notation_of(column)) for cell in column] == numbers


def test_an_ambiguous_number_is_decided_by_the_others():
    column = cells(["1.234", "5,50"])

    assert column[0].value(notation_of(column)) == 1234
    assert cells(["1.234"])[0].value(notation_of(cells(["1.234", "12.50"]))) == Decimal("1.234")


@pytest.mark.parametrize("blank", ["", "--", " --", "-", "—", "\u00a0"])
def test_what_stands_for_nothing_is_nothing(blank):
    (cell,) = cells([blank])

    assert cell.value(notation_of([cell])) is None


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["1.234"], "Give --decimal . or --decimal ,"),
        (["1.50", "1,50"], "written in two ways: '1.50' in line 2, column 'Cost', and '1,50' in line 3"),
        (["5.23%"], "is a percentage"),
        (["5,23 %"], "is a percentage"),
        (["< 10%"], "is a percentage"),
        (["1,2,3"], "is not a number"),
        (["12 34"], "is not a number"),
        (["0.123.456"], "is not a number"),
        (["1e5"], "is not a number"),
        (["٣"], "is not a number"),
        (["9" * 31], "is not a number"),
        (["nan"], "is not a number"),
    ],
)
def test_what_could_be_misread_is_refused(texts, told):
    with pytest.raises(Usage) as refused:
        notation_of(cells(texts))

    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["1.5", "1,50", "0.001"])
def test_a_count_with_decimals_is_refused(text):
    with pytest.raises(Usage, match="is not a whole number"):
        notation_of(cells([text], whole=True))


def test_a_notation_that_was_named_must_fit():
    with pytest.raises(Usage, match="is not a number with ',' before the decimals"):
        notation_of(cells(["12.50"]), Notation.COMMA)
