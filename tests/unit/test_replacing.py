"""Attributes and entries that have other values for a while."""

from types import SimpleNamespace

import pytest

from orchestrator.replacing import replaced


def test_attributes_have_other_values_until_the_context_is_left_however_that_is():
    owner = SimpleNamespace(first=1, second=2)
    with pytest.raises(ZeroDivisionError), replaced(owner, first=10, second=20):
        assert (owner.first, owner.second) == (10, 20)
        raise ZeroDivisionError
    assert (owner.first, owner.second) == (1, 2)


def test_entries_that_were_not_there_are_gone_afterwards():
    owner = {"first": 1, "other": 3}
    with replaced(owner, first=10, second=20):
        assert owner == {"first": 10, "second": 20, "other": 3}
        owner["other"] = 30
    assert owner == {"first": 1, "other": 30}


def test_nothing_is_replaced_where_a_name_is_unknown():
    owner = SimpleNamespace(first=1)
    with pytest.raises(AttributeError, match="second"), replaced(owner, first=10, second=20):
        raise AssertionError
    assert vars(owner) == {"first": 1}
