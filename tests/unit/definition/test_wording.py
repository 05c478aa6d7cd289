"""Sentences a person can act on, in the reader's language."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from livejobs.definition import wording
from livejobs.definition.wording import all_fields, from_pydantic, refused, shown_name, too_large, unknown_parameter


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        (319_488, 262_144, "312 KB; the limit is 256 KB."),
        (262_145, 262_144, "257 KB; the limit is 256 KB."),
        (101, 100, "101 bytes; the limit is 100 bytes."),
        (1025, 1024, "2 KB; the limit is 1 KB."),
        (1_048_577, 1_048_576, "1.1 MB; the limit is 1 MB."),
        (3 * 1_048_576, 1_048_576, "3.0 MB; the limit is 1 MB."),
        (5_000_000, 262_144, "4,883 KB; the limit is 256 KB."),
        (2_000_000, 1_572_864, "2.0 MB; the limit is 1.5 MB."),
    ],
)
def test_a_size_never_reads_as_within_its_limit(size, limit, expected):
    assert too_large(size, limit) == expected


def test_names_from_outside_are_safe_to_send_back():
    assert shown_name("nul \x00 half \ud800") == "nul \ufffd half \ufffd"
    assert len(shown_name("x" * 1000)) == 50


def test_an_unknown_parameter_is_told_which_there_are():
    assert unknown_parameter("a", ["b", "c"]) == "There is no parameter a; this task takes b, c."
    assert unknown_parameter("a", []) == "There is no parameter a; this task takes none."
    assert unknown_parameter("{known}", ["b"]) == "There is no parameter {known}; this task takes b."


def test_the_message_of_many_fields_stays_short():
    message = all_fields({f"field_{number}": "Required." for number in range(1000)})

    assert message.startswith("Some fields are not right. field_0: Required. field_1: Required.")
    assert len(message) == 300


def wrong(annotation: Any, value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(annotation).validate_python(value)
    return from_pydantic(caught.value)


def raising(error: Exception) -> Any:
    def check(value: Any) -> Any:
        raise error

    return Annotated[int, AfterValidator(check)]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Annotated[int, Field(ge=1)], 0, "Must be 1 or more."),
        (Annotated[float, Field(ge=1)], 0, "Must be 1 or more."),
        (Annotated[float, Field(le=0.5)], 1, "Must be 0.5 or less."),
        (Annotated[float, Field(le=1_234_567.25)], 2e9, "Must be 1234567.25 or less."),
        (Annotated[str, Field(min_length=1)], "", "Must not be empty."),
        (raising(ValueError("Not a prime")), 1, "Not a prime."),
        (raising(ValueError("Not a prime.")), 1, "Not a prime."),
        (raising(ValueError("")), 1, "Not right."),
        (raising(AssertionError("Not {so}")), 1, "Not {so}."),
        (raising(refused("At most {limit}.", limit=3)), 1, "At most 3."),
        (raising(refused("{x}", x="{y} stays.")), 1, "{y} stays."),
        (list[int], 3, "Input should be a valid list."),
    ],
)
def test_what_pydantic_found_becomes_a_sentence(annotation, value, expected):
    assert wrong(annotation, value) == expected


def test_every_template_fits_what_pydantic_says():
    """Each placeholder is one that pydantic fills in, so that no `format` fails in front of a person."""
    for kind, template in wording._templates().items():
        assert template.endswith("."), kind
        assert template.format(**dict.fromkeys(
            ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern"), "1"
        ))  # fmt: skip


def test_sentences_are_translated_at_each_use(monkeypatch):
    words = {"Must be {ge} or more.": "Mindestens {ge}."}
    monkeypatch.setattr(wording._Translation, "gettext", staticmethod(lambda text: words.get(text, text)))

    assert wrong(Annotated[int, Field(ge=1)], 0) == "Mindestens 1."
    words["Must be {ge} or more."] = "Au moins {ge}."
    assert wrong(Annotated[int, Field(ge=1)], 0) == "Au moins 1."


def test_translate_with_sets_the_translation(monkeypatch):
    monkeypatch.setattr(wording._Translation, "gettext", wording._Translation.gettext)

    wording.translate_with({"Must not be empty.": "Darf nicht leer sein."}.__getitem__)

    assert wrong(Annotated[str, Field(min_length=1)], "") == "Darf nicht leer sein."


def test_a_django_app_puts_its_own_gettext_there():
    from django.utils.translation import gettext

    assert wording._Translation.gettext is gettext
