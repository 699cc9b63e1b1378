from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from connectors.json_pointer import Pointer, resolve

# The examples of RFC 6901, section 5.
DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}
POINTERS = TypeAdapter(Pointer)

documents = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3),
        ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_examples_of_the_rfc_are_resolved(pointer: str, value: Any) -> None:
    assert resolve(DOCUMENT, POINTERS.validate_python(pointer)) == value


@pytest.mark.parametrize("pointer", ["/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/٠", "/foo/0/0", "/nothing"])
def test_pointer_that_leads_nowhere_is_a_lookup_error(pointer: str) -> None:
    with pytest.raises(LookupError):
        resolve(DOCUMENT, pointer)


@pytest.mark.parametrize("wrong", ["foo", "/a~", "/a~2", " /a", "/" + "a" * 500])
def test_what_is_no_pointer_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        POINTERS.validate_python(wrong)


@given(documents)
def test_every_value_is_found_by_its_own_pointer(document: Any) -> None:
    def walk(value: Any, pointer: str) -> None:
        assert resolve(document, pointer) is value
        steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, inner in steps:
            walk(inner, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")

    walk(document, "")


@given(documents, st.text(alphabet="/~01ab-", max_size=12))
def test_any_pointer_finds_something_or_says_so(document: Any, pointer: str) -> None:
    try:
        resolve(document, pointer)
    except LookupError:
        return
