"""What must not be read is not there, however it is written."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.redact import KEPT_BYTES, MASK, MESSAGE_CHARACTERS, Hidden, Redactor, last, plain

SECRET = 'p@ss "word"/+ü\\n?'
KEY = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.learn(SECRET)
    made.learn(KEY)
    return made


def written(secret: str) -> dict[str, str]:
    raw = secret.encode()
    return {
        "itself": secret,
        "json": json.dumps({"password": secret}),
        "json in utf-8": json.dumps(secret, ensure_ascii=False),
        "url": quote(secret, safe=""),
        "path of a url": quote(secret),
        "form": urlencode({"p": secret}),
        "hex": raw.hex(),
        "base64": base64.b64encode(raw).decode(),
        "base64 for urls": base64.urlsafe_b64encode(raw).decode(),
        "basic auth": base64.b64encode(b"admin:" + raw).decode(),
        "basic auth, one more": base64.b64encode(b"admins:" + raw + b"!!").decode(),
        "basic auth, two more": base64.b64encode(b"admins2:" + raw + b"!").decode(),
    }


@pytest.mark.parametrize("form", sorted(written(SECRET)))
def test_a_secret_is_hidden_however_it_is_written(redactor: Redactor, form: str) -> None:
    text = written(SECRET)[form]
    masked = redactor.text(f"before {text} after")
    assert MASK in masked
    assert masked.startswith("before ") and masked.endswith(" after")
    assert len(masked) < len(text) + 14, "what is left of it is its surroundings"


def test_each_line_of_a_secret_of_many_is_hidden(redactor: Redactor) -> None:
    masked = redactor.text("read MIIBVgIBADANBgkq, then hkiG9w0BAQEFAASC")
    assert masked == f"read {MASK}, then {MASK}"


def test_escapes_are_taken_out_before_secrets_are_looked_for(redactor: Redactor) -> None:
    assert redactor.text(SECRET[:5] + "\x1b[31m" + SECRET[5:]) == MASK


def test_a_value_is_masked_in_all_its_texts_and_keeps_its_shape(redactor: Redactor) -> None:
    value = {"url": f"postgres://u:{quote(SECRET, safe='')}@db", "port": 5432, "more": [SECRET, None, True]}
    assert redactor.value(value) == {"url": f"postgres://u:{MASK}@db", "port": 5432, "more": [MASK, None, True]}


def test_short_values_and_what_was_never_learnt_stay() -> None:
    redactor = Redactor()
    assert redactor.text("a b c") == "a b c"
    redactor.learn("abc")
    redactor.learn("")
    assert redactor.text("abc abcd") == "abc abcd"


def test_the_longer_of_two_secrets_goes_first() -> None:
    redactor = Redactor()
    redactor.learn("hunter")
    redactor.learn("hunter2-and-more")
    assert redactor.text("hunter2-and-more") == MASK


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\text", "text"),
        ("\x1bcreset", "reset"),
        ("\x1b(Bset", "set"),
        ("bell\x07, back\x08, nul\x00", "bell, back, nul"),
        ("one\r\ntwo\rthree\tfour", "one\ntwo\nthree\tfour"),
        ("\x1b", ""),
        ("ordinary [31m text", "ordinary [31m text"),
    ],
)
def test_terminal_escapes_are_taken_out(text: str, clean: str) -> None:
    assert plain(text) == clean


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_plain_text_never_holds_a_control_character(text: str) -> None:
    assert not [c for c in plain(text) if c not in "\n\t" and (ord(c) < 32 or 127 <= ord(c) < 160)]


def test_a_message_is_one_line_of_bounded_length(redactor: Redactor) -> None:
    assert redactor.sentence(f"no\n  room for {SECRET}\t!") == f"no room for {MASK} !"
    assert len(redactor.sentence("x" * 10_000)) == MESSAGE_CHARACTERS


def test_the_end_of_a_long_output_begins_with_a_whole_line() -> None:
    text = "".join(f"line {i}\n" for i in range(20_000))
    end = last(text)
    assert len(end.encode()) <= KEPT_BYTES
    assert text.endswith("\n" + end)
    assert last("short") == "short"


@given(st.text(), st.integers(1, 40))
def test_the_end_is_never_longer_than_asked_and_always_readable(text: str, limit: int) -> None:
    assert len(last(text, limit).encode()) <= limit


def test_a_hidden_text_is_used_as_it_is_and_shown_as_nothing() -> None:
    hidden = Hidden("open sesame")
    assert f"say {hidden}" == "say open sesame"
    assert json.dumps([hidden]) == '["open sesame"]'
    assert repr({"password": hidden}) == f"{{'password': '{MASK}'}}"
