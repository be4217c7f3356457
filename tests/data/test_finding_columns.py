"""Sets of findings in tables: as they are published."""

from __future__ import annotations

import pytest

from drai_cli.data.finding_columns import (
    ReadFindings,
    check_number,
    find_joined_once,
    leave_out_rare,
    read_columns,
    read_joined,
)
from drai_cli.errors import InputError


def joined(cells: list[str], *, is_forced: bool = False) -> ReadFindings:
    read = read_joined("labels.csv", "findings", cells, is_forced=is_forced)
    assert read is not None
    return read


@pytest.mark.parametrize(
    "cells",
    [
        ["Effusion|Mass", "No Finding", "Mass", ""],
        ["Effusion;Mass", "No Finding", "Mass;Effusion", "", "Mass", "Effusion"],
        ["['Effusion', 'Mass']", "['No Finding']", "['Mass']", ""],
        ['["Effusion", "Mass"]', '["No Finding"]', '["Mass"]', ""],
    ],
)
def test_joined_names_are_sets(cells: list[str]) -> None:
    read = joined(cells)
    assert read.findings.names == ("Effusion", "Mass")
    assert read.findings.none == "No Finding"
    assert read.texts[:2] == ("Effusion|Mass", "No Finding")
    assert read.texts[3] == ""


@pytest.mark.parametrize(
    "cells",
    [
        ["mel", "nv", "bcc"],
        ["carcinoma, ductal", "carcinoma, lobular", "adenoma, tubular"],
        ["nevus; NOS", "melanoma; NOS", "nevus; blue"],
        ["nevus", "melanoma", "nevus, atypical"],  # one alone
    ],
)
def test_one_name_each_is_no_set(cells: list[str]) -> None:
    assert read_joined("labels.csv", "dx", cells) is None


def test_commas_join_names_that_stand_alone_elsewhere() -> None:
    read = joined(["edema,mass", "edema", "mass", "mass,hernia", "normal"])
    assert read.findings.names == ("edema", "hernia", "mass")
    assert read.findings.none == "normal"
    assert read.texts[3] == "hernia|mass"


def test_single_names_are_sets_where_the_user_says_so() -> None:
    read = joined(["mel", "nv"], is_forced=True)
    assert read.texts == ("mel", "nv")


def test_an_empty_list_is_none_of_them() -> None:
    read = joined(["[]", "['a']"])
    assert read.texts == ("No Finding", "a")


def test_a_finding_together_with_none_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        joined(["Mass|No Finding", "Mass"])
    assert "'No Finding' together with findings: 'Mass|No Finding'" in caught.value.message


def test_too_many_findings_say_what_to_do() -> None:
    read = joined([f"{n}|{n + 1}" for n in range(300)])
    with pytest.raises(InputError) as caught:
        check_number("labels.csv", "findings", read.findings)
    assert "at most 200 findings" in caught.value.message
    assert "--least-count" in str(caught.value.hint)


def test_leaving_out_rare_ones_leaves_few_enough() -> None:
    fewer, dropped = leave_out_rare(joined([f"{n}|{n % 50}" for n in range(50, 300)]), 2)
    assert len(fewer.findings.names) == 50
    assert len(dropped) == 250
    check_number("labels.csv", "findings", fewer.findings)


def test_a_row_with_an_unknown_rare_finding_keeps_what_else_is_known() -> None:
    rows = [("0", "1", "-1"), ("0", "1", "0"), ("0", "0", "-1"), ("0", "-1", "1")]
    fewer, dropped = leave_out_rare(read_columns("train.csv", CHEXPERT, rows), 2)
    assert dropped == {"Effusion": 1}
    assert fewer.texts == ("Edema", "Edema", "No Finding", "")


def test_one_joined_cell_alone_is_found() -> None:
    assert find_joined_once(["edema", "mass", "edema, mass"]) == ("edema, mass", ",")
    assert find_joined_once(["edema", "mass", "mass;edema"]) == ("mass;edema", ";")
    assert find_joined_once(["nevus", "melanoma", "nevus, atypical"]) is None


CHEXPERT = ("No Finding", "Edema", "Effusion")


def test_columns_of_0_and_1_with_chexperts_blanks() -> None:
    rows = [("1.0", "", ""), ("", "1.0", "-1.0"), ("", "0.0", "1.0"), ("", "", ""), ("0", "1", "0")]
    read = read_columns("train.csv", CHEXPERT, rows)
    assert read.findings.names == ("Edema", "Effusion")
    assert read.texts == ("No Finding", "Edema|Effusion?", "Effusion", "", "Edema")
    present = read_columns("train.csv", CHEXPERT, rows, "present")
    assert present.texts[1] == "Edema|Effusion"
    absent = read_columns("train.csv", CHEXPERT, rows, "absent")
    assert absent.texts[1] == "Edema"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("0", "2", "0"), "got '2'"),
        (("0", "x", "0"), "got 'x'"),
    ],
)
def test_cells_that_are_no_states_are_refused(row: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_columns("train.csv", CHEXPERT, [row])
    assert words in caught.value.message


def test_a_finding_counts_although_a_row_says_that_there_is_none() -> None:
    read = read_columns(
        "train.csv", CHEXPERT, [("1", "1", ""), ("1", "", "-1"), ("1", "0", "1"), ("0", "1", "0")]
    )
    assert read.texts == ("Edema", "No Finding", "Effusion", "Edema")
    assert read.despite_none == {"Edema": 1, "Effusion": 1}


def test_rare_findings_are_left_out_and_counted() -> None:
    read = joined(["a|b", "a", "a|c", "c", "b|c", "d"])
    fewer, dropped = leave_out_rare(read, 2)
    assert fewer.findings.names == ("a", "b", "c")
    assert dropped == {"d": 1}
    assert fewer.texts == ("a|b", "a", "a|c", "c", "b|c", "")
    with pytest.raises(InputError):
        leave_out_rare(read, 10)
