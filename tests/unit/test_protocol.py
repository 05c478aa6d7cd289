"""Text to command and back; the JavaScript constants are the same as ours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import livejobs
from livejobs import protocol, states
from livejobs.protocol import (
    Cancel,
    CloseCode,
    ErrorCode,
    FrameError,
    Ping,
    Retry,
    Start,
    Unwatch,
    Watch,
    batch,
    decode,
    encode,
    error_message,
    field_path,
    parse,
    sentence,
    usable_ref,
    within_depth,
)  # fmt: skip

BOUNDS = {"max_bytes": 200, "max_depth": 4}


def refused(frame) -> FrameError:
    with pytest.raises(FrameError) as caught:
        parse(frame)
    return caught.value


# ---------------------------------------------------------------- decode


@pytest.mark.parametrize("text", ['{"action":"start"}', b'{"action":"start"}'])
def test_a_frame_is_a_json_object(text):
    assert decode(text, **BOUNDS) == {"action": "start"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The frame is not JSON"),
        ("no", "The frame is not JSON"),
        ('{"a":1', "The frame is not JSON"),
        ('{"a":NaN}', "The frame is not JSON"),
        ("[]", "The frame is not a JSON object."),
        ("null", "The frame is not a JSON object."),
        ('"\ud800"', "The frame is not valid Unicode."),
        (b"\xff\xfe", "The frame is not JSON"),
    ],
)
def test_anything_else_is_a_bad_frame(text, message):
    with pytest.raises(FrameError, match=message) as caught:
        decode(text, **BOUNDS)
    assert caught.value.code is ErrorCode.BAD_FRAME


def test_a_frame_over_the_limit_names_both_sizes():
    text = json.dumps({"a": "é" * 10}, ensure_ascii=False)

    with pytest.raises(FrameError, match=r"The frame has 29 bytes; the limit is 28\.") as caught:
        decode(text, max_bytes=28, max_depth=4)

    assert caught.value.code is ErrorCode.TOO_LARGE


def test_the_limit_itself_is_allowed():
    assert decode('{"a":1}', max_bytes=7, max_depth=1) == {"a": 1}


def test_nesting_over_the_limit_keeps_the_ref():
    with pytest.raises(FrameError, match="nests deeper than 4 levels") as caught:
        decode('{"ref":"r","a":[[[[1]]]]}', **BOUNDS)

    assert caught.value.code is ErrorCode.TOO_LARGE
    assert caught.value.ref == "r"


@pytest.mark.parametrize(
    ("value", "depth", "fits"),
    [
        (1, 0, True),
        ([], 0, False),
        ({}, 1, True),
        ([[]], 1, False),
        ({"a": [1, {"b": {}}]}, 3, False),
        ([[[]]], 3, True),
    ],
)
def test_depth_counts_arrays_and_objects(value, depth, fits):
    assert within_depth(value, depth) is fits


def test_very_deep_json_is_refused_without_recursion():
    with pytest.raises(FrameError):
        decode("{" + '"a":[' * 900 + "]" * 900 + "}", max_bytes=100_000, max_depth=20)
    with pytest.raises(FrameError):
        decode('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", max_bytes=1_000_000, max_depth=20)


def command_or_error(make):
    try:
        return make()
    except FrameError as error:
        return error


@given(st.text() | st.binary())
def test_whatever_comes_is_a_command_or_a_frame_error(text):
    outcome = command_or_error(lambda: parse(decode(text, **BOUNDS)))

    assert not isinstance(outcome, FrameError) or outcome.message


@given(
    st.dictionaries(
        st.sampled_from(["action", "ref", "task", "job_id", "id", "jobs", "params", "type", "key", "log_after"]),
        st.sampled_from(["start", "watch", "cancel", "retry", "unwatch", "", "ws"])
        | st.integers() | st.none() | st.booleans() | st.floats(allow_nan=False)
        | st.dictionaries(st.sampled_from(["scope", "limit", "before", "x"]), st.integers() | st.just("all")),
    )
)  # fmt: skip
def test_any_mixture_of_known_members_is_a_command_or_a_frame_error(frame):
    outcome = command_or_error(lambda: parse(frame))

    assert outcome.code in ErrorCode if isinstance(outcome, FrameError) else outcome.action == frame["action"]


# ---------------------------------------------------------------- parse


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ({"action": "start", "task": "sec3"}, Start(action="start", task="sec3")),
        (
            {"action": "start", "task": "t", "name": "n", "params": {"a": [1]}, "key": "k", "ref": 7},
            Start(action="start", task="t", name="n", params={"a": [1]}, key="k", ref=7),
        ),
        ({"action": "cancel", "job_id": 1, "ref": "r"}, Cancel(action="cancel", job_id=1, ref="r")),
        ({"action": "retry", "job_id": 2}, Retry(action="retry", job_id=2)),
        ({"action": "watch", "id": "l", "jobs": {"scope": "mine"}},
         Watch.model_validate({"action": "watch", "id": "l", "jobs": {"scope": "mine", "limit": 50}})),
        ({"action": "watch", "id": 0, "job_id": 3, "log_after": 9}, Watch(action="watch", id=0, job_id=3, log_after=9)),
        ({"action": "unwatch", "id": "l"}, Unwatch(action="unwatch", id="l")),
        ({"action": "ping", "ref": 1}, Ping(action="ping", ref=1)),
    ],
)  # fmt: skip
def test_every_command_is_read(frame, command):
    assert parse(frame) == command


def test_members_of_a_newer_client_are_ignored():
    assert parse({"action": "cancel", "job_id": 1, "because": "later"}) == Cancel(action="cancel", job_id=1)


@pytest.mark.parametrize("action", [None, 1, [], {}, "", "Start", "livejobs.event", "websocket.disconnect"])
def test_an_unknown_action_says_which_there_are(action):
    error = refused({"action": action, "ref": 5})

    assert error.code is ErrorCode.UNKNOWN_ACTION
    assert error.message == "Unknown action; this server knows cancel, ping, retry, start, unwatch, watch."
    assert error.ref == 5


@pytest.mark.parametrize(
    ("frame", "fields"),
    [
        ({"action": "start"}, {"task"}),
        ({"action": "start", "task": ""}, {"task"}),
        ({"action": "start", "task": "t" * 256}, {"task"}),
        ({"action": "start", "task": "t", "name": 3}, {"name"}),
        ({"action": "start", "task": "t", "params": []}, {"params"}),
        ({"action": "start", "task": "t", "key": "k" * 101}, {"key"}),
        ({"action": "cancel", "job_id": "1"}, {"job_id"}),
        ({"action": "cancel", "job_id": True}, {"job_id"}),
        ({"action": "cancel", "job_id": 0}, {"job_id"}),
        ({"action": "cancel", "job_id": 2**63}, {"job_id"}),
        ({"action": "cancel", "job_id": 1.5}, {"job_id"}),
        ({"action": "watch", "id": "l", "jobs": {"scope": "yours"}}, {"jobs.scope"}),
        ({"action": "watch", "id": "l", "jobs": {"scope": "mine", "limit": 201}}, {"jobs.limit"}),
        ({"action": "watch", "id": "l", "job_id": 1, "log_after": -1}, {"log_after"}),
    ],
)
def test_wrong_fields_are_named(frame, fields):
    error = refused(frame)

    assert error.code is ErrorCode.INVALID
    assert set(error.fields) == fields
    assert all(re.fullmatch(r"[A-Z].*\.", message) for message in error.fields.values())


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "watch", "id": "w"},
        {"action": "watch", "id": "w", "jobs": {"scope": "all"}, "job_id": 1},
    ],
)
def test_a_watch_looks_at_one_thing(frame):
    error = refused(frame)

    assert error.code is ErrorCode.INVALID
    assert error.message == "watch needs either jobs or job_id."


def test_list_filters_of_a_later_version_are_refused_by_name():
    error = refused({"action": "watch", "id": "w", "jobs": {"scope": "all", "state": "failed", "task": "t"}})

    assert error.code is ErrorCode.UNSUPPORTED
    assert error.message == "This version does not filter a list by state, task."


@pytest.mark.parametrize(
    ("ref", "echoed"),
    [(None, None), ("", ""), ("r", "r"), ("r" * 100, "r" * 100), (0, 0), (-1, -1),
     ("r" * 101, None), (True, None), (1.5, None), ([], None), ({}, None)],
)  # fmt: skip
def test_only_a_small_ref_is_echoed(ref, echoed):
    assert usable_ref({"ref": ref}) == echoed


# ---------------------------------------------------------------- encode


def test_messages_become_compact_json():
    assert encode({"action": "gone", "job_id": 1}) == '{"action":"gone","job_id":1}'
    keys_of_any_kind: dict[Any, Any] = {"a": "é😀</script>", 7: None}
    assert json.loads(encode(keys_of_any_kind)) == {"a": "é😀</script>", "7": None}


def test_a_number_over_64_bits_is_written_too():
    assert encode({"n": [10**30], "text": "é"}) == '{"n":[1000000000000000000000000000000],"text":"\\u00e9"}'


def test_a_batch_joins_texts_without_decoding_them():
    one, two = encode({"action": "gone", "job_id": 1}), encode({"action": "gone", "job_id": 2})

    assert batch([one]) == one
    assert json.loads(batch([one, two])) == {"action": "batch", "messages": [json.loads(one), json.loads(two)]}


def test_error_frames_carry_only_what_is_known():
    assert error_message(ErrorCode.CONFLICT, "No.") == {"action": "error", "code": "conflict", "message": "No."}
    assert error_message(ErrorCode.INVALID, "No.", ref=0, fields={"a": "Missing."}) == {
        "action": "error", "code": "invalid", "message": "No.", "ref": 0, "fields": {"a": "Missing."},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("  ", ""), ("field required", "Field required."), ("Done.", "Done."), ("é", "É.")],
)
def test_a_librarys_message_becomes_a_sentence(text, expected):
    assert sentence(text) == expected


@pytest.mark.parametrize(("location", "path"), [((), "frame"), (("params", "rows", 3), "params.rows.3")])
def test_fields_are_named_as_people_write_them(location, path):
    assert field_path(location) == path


# ---------------------------------------------------------------- the other side


def javascript_constants() -> dict[str, Any]:
    """The constants of protocol.js: it is plain enough to be read as JSON after a few replacements."""
    source = (Path(livejobs.__file__).parent / "static/livejobs/protocol.js").read_text()
    constants: dict[str, Any] = {}
    for name, value in re.findall(r"^export const (\w+) = (.*?);$", source, re.MULTILINE | re.DOTALL):
        text = re.sub(r"^Object\.freeze\((.*)\)$", r"\1", value, flags=re.DOTALL)
        text = re.sub(r"^(\s*)(\w+):", r'\1"\2":', text, flags=re.MULTILINE)
        text = re.sub(r"EdgeName\.(\w+)", lambda found: json.dumps(constants["EdgeName"][found[1]]), text)
        constants[name] = json.loads(re.sub(r",(\s*[}\]])", r"\1", text))
    return constants


def test_the_javascript_constants_are_ours():
    names = ["SUBPROTOCOL", "LIST_DEFAULT", "LIST_MAX", "LIST_LIVE_MAX", "LOG_MAX"]
    found = javascript_constants()
    assert {name: sorted(found.pop(name)) for name in ("FINISHED", "BY_PEOPLE")} == {
        "FINISHED": sorted(states.FINISHED),
        "BY_PEOPLE": sorted(states.BY_PEOPLE),
    }
    assert found == {name: getattr(protocol, name) for name in names} | {
        "ErrorCode": {code.name: code.value for code in ErrorCode},
        "CloseCode": {code.name: code.value for code in CloseCode},
        "EdgeName": {edge.name: edge.value for edge in states.EdgeName},
    }
