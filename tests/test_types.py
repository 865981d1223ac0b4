"""Values: equal ones have equal keys, and what is remembered is what would be computed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.store import draw_key
from consilience.types import Message, Request, Sampling, digest

requests = st.builds(
    lambda text, temperature, seed, prefix, tools: Request.of(text, sampling=Sampling(temperature=temperature), seed=seed,
                                                              prefix=prefix, tools=tools),
    st.text(max_size=9), st.sampled_from([0, 0.0, 1, 1.0, 0.7]), st.integers(0, 2), st.sampled_from(["", "x", "\u00e9\ud800"]),
    st.sampled_from([(), ({"name": "f"},), ("f",)]))


@given(requests, st.sampled_from(["a", '"b"']))
def test_keys_are_digests_of_content_and_of_who_is_asked(request: Request, who: str) -> None:
    if "\ud800" in request.prefix:
        with pytest.raises(UnicodeEncodeError):
            request.key()
        return
    assert request.key() == digest(request.content()) and draw_key(request, who) == digest([who, request.content()])


@pytest.mark.parametrize("changes", [{"seed": 1}, {"prefix": "so"}, {"form": "answer"}, {"fields": (("peers", ("a",)),)},
                                     {"messages": (Message("system", "x"), Message("user", "why?"))}, {"tools": ("t",)}])
def test_other_content_is_another_key(changes: dict[str, Any]) -> None:
    one = Request.of("why?")
    assert one.having(**changes).key() != one.key() == Request.of("why?").key()


def test_a_whole_number_is_the_same_temperature() -> None:
    whole, real = Request.of("?", sampling=Sampling(temperature=0)), Request.of("?", sampling=Sampling(temperature=0.0))
    assert whole == real and whole.key() == real.key() == digest(whole.content()) == digest(real.content())


def test_copies_know_their_fields() -> None:
    with pytest.raises(TypeError, match="Request has no field 'sede'"):
        Request.of("why?").having(sede=1)
    assert Request((Message("system", "be brief"),)).question == "", "no user, no question"
    assert Request((Message("user", "first"), Message("assistant", "x"), Message("user", "last"))).question == "last"
