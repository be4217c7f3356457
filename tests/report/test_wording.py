"""Numbers have the digits that mean something, at every magnitude."""

from __future__ import annotations

import math

import pytest

from drai_cli.report.wording import mean_and_deviation, number, number_with_spread, words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1, "1.00"), (0.5, "0.500"), (0.9996, "1.00"), (9.996, "10.0"), (99.96, "100"),
        (23.41, "23.4"), (-23.41, "−23.4"), (999.6, "1,000"), (1234.5, "1,234"), (123456.0, "123,456"),
        (1234567.0, "1.23×10⁶"), (-9.999e9, "−1.00×10¹⁰"), (0.0123, "0.0123"), (0.00012345, "0.000123"),
        (0.0000123, "1.23×10⁻⁵"), (-3e-12, "−3.00×10⁻¹²"), (1e300, "1.00×10³⁰⁰"), (5e-324, "4.94×10⁻³²⁴"),
        (None, "–"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ((0.912, 0.88, 0.944), ("0.912", "0.880", "0.944")),
        ((23.41, 21.9, 25.2), ("23.4", "21.9", "25.2")),
        ((-0.00004, -0.021, 0.034), ("0.000", "−0.021", "0.034")),
        ((0.0, 0.0, 0.0037), ("0", "0", "0.0037")),
        ((0.0, 0.0, 0.0), ("0", "0", "0")),
        ((0.5, None, None), ("0.500", "–", "–")),
        ((0.5, math.nan, 0.6), ("0.500", "–", "0.600")),
        ((math.nan, 1.0, 2.0), ("–", "1.00", "2.00")),
        ((2.5e7, 2.4e7, 1.1e8), ("2.50×10⁷", "2.40×10⁷", "11.00×10⁷")),
    ],
)
def test_an_interval_has_the_places_of_its_number(numbers, texts):
    assert number_with_spread(*numbers) == texts


def test_nothing_is_a_negative_zero():
    for exponent in range(-20, 0):
        for end in (0.5, 0.01, 30.0):
            for text in number_with_spread(-(10.0**exponent), -end, end):
                assert any(digit in text for digit in "123456789") or "−" not in text, text


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (23.4, 1.21, "23.4 ± 1.2"), (0.0151, 0.0009, "0.0151 ± 0.0009"), (5, None, "5.00"), (None, 1, "–"),
        (2.5e8, 1e6, "(2.50 ± 0.01)×10⁸"), (0.001, 0.2, "0.00 ± 0.20"), (-0.5, 0.0, "−0.500 ± 0"),
    ],
)  # fmt: skip
def test_mean_and_deviation(mean, deviation, text):
    assert mean_and_deviation(mean, deviation) == text


def test_settings_in_words():
    assert [words(value) for value in (None, "", True, 12345, 0.0003, -1.5)] == [
        "not known", "not known", "yes", "12345", "0.0003", "−1.5",
    ]  # fmt: skip
    assert words(["a", {"b": 1, "c": None}]) == "a, b 1, c not known"
    assert words([]) == "none"
