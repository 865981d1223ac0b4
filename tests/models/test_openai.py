"""Endpoints, against `transformers serve` and against a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import ConfigError, ModelError, TeamError
from consilience.model import Continue, Price, powers_of
from consilience.models.openai import Endpoint
from consilience.models.wrappers import Limited, Limits
from consilience.types import Draws, Message, Request, Sampling, Scope, Token
from tests.models.faults import Answer, chat, delta, error, events, faulty, hang, raw

ASK = Request.of("hello", sampling=Sampling(temperature=1.0, max_tokens=12))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(base URL, model) of `transformers serve` with a tiny random checkpoint."""
    from tests.models.local.tiny import network, tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    words = tokenizer()
    words.save_pretrained(folder)
    network("llama", len(words), eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id).save_pretrained(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder), "--device", "cpu",
               "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log,
                                  env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"})
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, folder / "log")
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"transformers serve did not start: {log.read_text()[-2000:]}")


def run(work: Any) -> Any:
    return asyncio.run(work)


async def _deltas(model: Any, request: Request, draw: Draws = Draws()) -> tuple[list[str], Any]:
    got = [event async for event in model.stream(request, draw)]
    return [e.text for e in got if e.kind == "delta"], got[-1].reply


class TestServed:
    """What a server that nobody here wrote makes of our requests."""

    def test_draws_have_seeds_of_their_own(self, served: tuple[str, str]) -> None:
        async def work() -> None:
            model = Limited(Endpoint(served[1], served[0], dialect="transformers", name="tiny", price=Price(1, 2)),
                            Limits(concurrency=1))
            first = [await model.generate(ASK, Draws(1, i)) for i in range(3)]
            again = await model.generate(ASK, Draws(1, 1))
            other = await model.generate(ASK.having(seed=5), Draws(1, 1))
            texts = [r.text for [r] in first]
            assert len(set(texts)) == 3 and again[0].text == texts[1] != other[0].text
            reply = first[0][0]
            assert reply.model == "tiny" and reply.usage.completion_tokens == 12 and reply.stop == "length"
            assert reply.cost == pytest.approx((reply.usage.prompt_tokens + 24) / 1e6) and reply.seconds > 0
        run(work())

    def test_greedy_and_max_tokens(self, served: tuple[str, str]) -> None:
        async def work() -> None:
            model = Endpoint(served[1], served[0], dialect="transformers")
            greedy = ASK.sampled(temperature=0, max_tokens=5)
            [a], [b] = await model.generate(greedy), await model.generate(greedy.having(seed=9))
            assert a.text == b.text and a.usage.completion_tokens == 5
        run(work())

    @pytest.mark.parametrize("api", ["chat", "completions"])
    def test_stream_is_the_sum_of_its_deltas(self, served: tuple[str, str], api: str) -> None:
        model = Endpoint(served[1], served[0], dialect="transformers", api=api)
        deltas, reply = run(_deltas(model, ASK))
        assert len(deltas) > 2 and "".join(deltas) == reply.text and reply.usage.completion_tokens == 12

    def test_completions_continue_a_prefix(self, served: tuple[str, str]) -> None:
        async def work() -> None:
            model = Endpoint(served[1], served[0], dialect="transformers", api="completions")
            greedy = ASK.sampled(temperature=0)
            [whole] = await model.generate(Request.of("helloabc", sampling=greedy.sampling))
            [rest] = await model.generate(greedy.having(prefix="abc"))
            assert rest.text == whole.text and model.power(Continue) is not None and "Continue" in model.card.powers
        run(work())

    def test_wrong_model_is_named(self, served: tuple[str, str]) -> None:
        with pytest.raises(ModelError, match="no-such-model answered 4") as caught:
            run(Endpoint("no-such-model", served[0]).generate(ASK))
        assert not caught.value.transient


def failure(answer: Answer, **options: Any) -> ModelError:
    with faulty(answer) as server, pytest.raises(ModelError) as caught:
        run(Endpoint("m", server.url, **options).generate(ASK))
    assert "m " in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("answer", "reason", "transient", "after"), [
    (error(429, "slow down", retry_after="7"), "rate-limit", True, 7.0),
    (error(429, "slow down", retry_after_ms="250"), "rate-limit", True, 0.25),
    (error(429, "pay first", "insufficient_quota"), "rate-limit", False, None),
    (error(500, "boom"), "down", True, None),
    (error(503, "later", retry_after="3"), "down", True, 3.0),
    (raw(502, "<html><body>Bad Gateway</body></html>", "text/html"), "down", True, None),
    (error(401, "bad key"), "refused", False, None),
    (error(404, "no such model"), "refused", False, None),
    (error(400, "This model's maximum context length is 10 tokens"), "context", False, None),
    (error(400, "bad field"), "error", False, None),
    (raw(200, "<html>proxy login</html>", "text/html"), "error", True, None),
    (raw(200, "{\"choices\": " + "[" * 100_000), "error", True, None),
    (raw(200, "{broken"), "error", True, None),
    (raw(200, "{}"), "error", True, None),
    (raw(200, "null"), "error", True, None),
    (raw(200, '{"error": {"message": "overloaded"}}'), "error", True, None),
    (raw(200, '{"choices": "x"}'), "error", True, None),
    (raw(200, '{"choices": ["x"]}'), "error", True, None),
    (raw(200, '{"choices": [{"index": 0, "message": null}]}'), "error", True, None),
    (chat(message={"content": [{"type": "text", "text": "x"}]}), "error", True, None),
    (error(429, "slow down", retry_after="soon"), "rate-limit", True, None),
    (error(429, "slow down", retry_after="Wed, 99 Foo: bar"), "rate-limit", True, None),
    (chat(choices=0), "error", True, None),
    (chat("x", finish="content_filter"), "refused", False, None),
    (hang(0.0), "down", True, None),
    (chat(usage={"prompt_tokens": -1, "completion_tokens": 1}), "error", True, None),
    (chat(usage={"prompt_tokens": 1, "completion_tokens": float("nan")}), "error", True, None),
    (chat(usage={"prompt_tokens": "1", "completion_tokens": 1}), "error", True, None),
    (error(429, "slow down", retry_after_ms="-100"), "rate-limit", True, 0.0),
])
def test_failures_are_told_apart(answer: Answer, reason: str, transient: bool, after: float | None) -> None:
    caught = failure(answer)
    assert (caught.reason, caught.transient, caught.retry_after) == (reason, transient, after)


@pytest.mark.parametrize(("answer", "said"), [
    (raw(200, '{"error": {"message": "model overloaded"}}'), "m answered with an error: model overloaded"),
    (raw(200, "<html>proxy login</html>", "text/html"), "with no choices: '<html>proxy login</html>'. Is the base URL right?"),
    (error(401, "bad key"), "m answered 401: bad key; check the key"),
    (error(404, "no such model"), "m answered 404: no such model; check the name of the model"),
    (raw(500, "<html>Oops</html>", "text/html"), "m answered 500: no reason given"),
    (raw(422, '{"detail": [{"loc": ["body", "n"], "msg": "too many"}]}'), 'm answered 422: [{"loc": ["body", "n"]'),
    (raw(400, '{"object": "error", "message": "no such field"}'), "m answered 400: no such field"),
    (raw(503, "out of workers", "text/plain"), "m answered 503: out of workers"),
])
def test_failures_say_what_was_found_and_what_would_do(answer: Answer, said: str) -> None:
    assert said in str(failure(answer))


def test_a_server_that_ignores_n_is_told_apart_and_not_paid_again() -> None:
    with faulty(chat()) as server, pytest.raises(ModelError, match="does not honour n.*without: .seed, n.") as caught:
        run(Endpoint("m", server.url, without=["seed"]).generate(ASK, Draws(3)))
    assert not caught.value.transient
    with faulty(chat()) as server:
        assert len(run(Endpoint("m", server.url, without=["seed", "n"]).generate(ASK, Draws(3)))) == len(server.bodies) == 3


def test_a_server_that_hangs_times_out() -> None:
    began = time.monotonic()
    caught = failure(hang(15.0), timeout=0.3)
    assert caught.reason == "timeout" and caught.transient and time.monotonic() - began < 12


def test_the_deadline_is_the_shorter_timeout() -> None:
    with faulty(hang(15.0)) as server:
        for ahead in (2.0, -1.0):
            with pytest.raises(ModelError) as caught:
                run(Endpoint("m", server.url).generate(ASK, scope=Scope(deadline=time.time() + ahead)))
            assert caught.value.reason == "timeout"
        assert len(server.bodies) == 1


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ModelError, match=f"cannot be reached at {url}") as caught:
        run(Endpoint("m", url).generate(ASK))
    assert caught.value.reason == "down" and caught.value.transient


def test_streams_that_break() -> None:
    for answer, reason in ((events(delta("a"), broken=True), "down"), (events(delta("a"), ["x"]), "error"),
                           (events(delta("a"), {"choices": [3]}), "error"),
                           (events(delta("a"), {"error": {"message": "out of memory"}}), "error"),
                           (events(delta("a"), delta(None, "content_filter")), "refused")):
        with faulty(answer) as server, pytest.raises(ModelError) as caught:
            run(_deltas(Endpoint("m", server.url), ASK))
        assert caught.value.reason == reason


def test_leaving_a_stream_hangs_up() -> None:
    async def work(url: str) -> None:
        stream = Endpoint("m", url).stream(ASK)
        assert (await anext(stream)).text == "a"
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)

    with faulty(events(*[delta("a")] * 200, delta("b", "stop"), wait=0.05)) as server:
        run(work(server.url))
        assert server.busy == 0     # ten seconds before the stream would have ended


def test_reasoning_is_kept_apart() -> None:
    for answer in (chat("<think>2 and 2\nis 4</think>\n\nFour."), chat("2 and 2\nis 4</think>Four."),
                   chat("Four.", message={"reasoning_content": "2 and 2\nis 4"}),
                   chat("Four.", message={"reasoning": "2 and 2\nis 4"})):
        with faulty(answer) as server:
            [reply] = run(Endpoint("m", server.url).generate(ASK))
        assert (reply.reasoning, reply.text) == ("2 and 2\nis 4", "Four.")
    with faulty(chat("<think>still at it", finish="length")) as server:
        [reply] = run(Endpoint("m", server.url).generate(ASK))
    assert (reply.reasoning, reply.text, reply.stop) == ("still at it", "", "length")


def test_reasoning_is_kept_out_of_streams() -> None:
    pieces = ["<th", "ink>so ", "it is</thi", "nk>\n", "\nFo", "ur", "."]
    for answer in (events(*map(delta, pieces), delta(None, "stop")),
                   events(delta(None, reasoning_content="so it"), delta(None, reasoning_content=" is"),
                          delta("Four."), delta("", "stop"))):
        with faulty(answer) as server:
            deltas, reply = run(_deltas(Endpoint("m", server.url), ASK))
        assert "".join(deltas) == reply.text == "Four." and reply.reasoning == "so it is"


def test_log_probabilities() -> None:
    tokens = {"content": [{"token": "fi", "logprob": -0.5, "bytes": None,
                           "top_logprobs": [{"token": "fi", "logprob": -0.5, "bytes": None},
                                            {"token": "no", "logprob": -1.5, "bytes": None}]}]}
    with faulty(chat(logprobs=tokens)) as server:
        [reply] = run(Endpoint("m", server.url).generate(ASK, scope=Scope(extras=frozenset({"logprobs"}))))
    assert reply.tokens[0].top == (("fi", -0.5), ("no", -1.5)) and reply.logprob == -0.5
    assert server.bodies[0]["logprobs"] is True and server.bodies[0]["top_logprobs"] == 5


def test_seeded_draws_are_calls_of_their_own_and_unseeded_ones_share_a_call() -> None:
    with faulty(chat(choices=3)) as server:
        run(Endpoint("m", server.url).generate(ASK, Draws(3)))
        assert len({body["seed"] for body in server.bodies}) == 3 and "n" not in server.bodies[0]
    with faulty(chat(choices=3)) as server:
        replies = run(Endpoint("m", server.url, without=["seed"], price=Price(1, 1)).generate(ASK, Draws(3)))
        [body] = server.bodies
        assert body["n"] == 3 and "seed" not in body
        assert [r.usage.completion_tokens for r in replies] == [2, 1, 1] and [r.draw for r in replies] == [0, 1, 2]
        assert sum(r.cost for r in replies) == pytest.approx(14e-6)


def test_what_is_sent() -> None:
    with faulty(chat()) as server:
        request = ASK.sampled(stop=("\n",), top_k=5, min_p=0.1, repetition_penalty=1.2).having(prefix="So")
        run(Endpoint("m", server.url, dialect="vllm", body={"guided_regex": "a+"}).generate(request))
    [body] = server.bodies
    assert body["messages"] == [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "So"}]
    expected = {"max_tokens": 12, "temperature": 1.0, "top_p": 1.0, "stop": ["\n"], "top_k": 5, "min_p": 0.1,
                "repetition_penalty": 1.2, "continue_final_message": True, "add_generation_prompt": False,
                "guided_regex": "a+"}
    assert expected.items() <= body.items()
    with faulty(chat()) as server:
        run(Endpoint("m", server.url, dialect="openai", without=["temperature", "top_p"]).generate(ASK))
    assert server.bodies[0]["max_completion_tokens"] == 12 and "temperature" not in server.bodies[0]


@pytest.mark.parametrize(("told", "note"), [({"stop_reason": "\n\n"}, {"stopped": True}),
                                            ({"stop_reason": None}, {"stopped": False}), ({}, {})])
def test_servers_that_say_what_ended_a_text_are_heard(told: dict[str, str | None], note: dict[str, bool]) -> None:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "one"}} | told
    with faulty(raw(200, json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
                                     "choices": [choice]}))) as server:
        [reply] = run(Endpoint("m", server.url).generate(ASK))
    assert reply.note == note


def test_what_is_not_honoured_is_refused() -> None:
    with faulty(chat()) as server:
        plain, chosen = Endpoint("m", server.url), Endpoint("m", server.url, dialect="transformers", without=["top_k"])
        with pytest.raises(ConfigError, match="does not honour top_k"):
            run(plain.generate(ASK.sampled(top_k=3)))
        with pytest.raises(TeamError, match="cannot continue"):
            run(plain.generate(ASK.having(prefix="a")))
        with pytest.raises(TeamError, match="no log-probabilities"):
            run(chosen.generate(ASK, scope=Scope(extras=frozenset({"logprobs"}))))
        assert not server.bodies
        run(chosen.generate(ASK.sampled(top_k=3)))
        assert "top_k" not in json.loads(server.bodies[0]["generation_config"]) or \
            json.loads(server.bodies[0]["generation_config"])["top_k"] == 0
        assert powers_of(plain) == frozenset()


def test_unknown_cost_is_unknown() -> None:
    with faulty(chat()) as server:
        [reply] = run(Endpoint("m", server.url).generate(ASK))
        assert reply.cost is None
    with faulty(raw(200, json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "\ud800ok"}}]}))) as server:
        [reply] = run(Endpoint("m", server.url, price=Price(1, 1)).generate(ASK))
        assert reply.cost is None and reply.text == "?ok"


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        Endpoint("gpt-4o-mini")
    with pytest.raises(ConfigError, match="MY_KEY"):
        Endpoint("m", "http://somewhere:8000/v1", key_env="MY_KEY")
    Endpoint("m", "http://somewhere:8000/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert Endpoint("gpt-4o-mini").wire.dialect.name == "openai"
    assert Endpoint("m", "http://somewhere:8000/v1")._key == "none"
    with pytest.raises(ConfigError, match="base URL"):
        Endpoint("m", "somewhere")
    with pytest.raises(ConfigError, match="Did you mean 'vllm'"):
        Endpoint("m", "http://localhost/v1", dialect="vlm")
    with pytest.raises(ConfigError, match="without"):
        Endpoint("m", "http://localhost/v1", without=["sed"])


def test_no_message_shows_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret\r\n")      # as a file ends
    for answer in (error(401, "Incorrect API key provided: sk-very-secret"), raw(200, '{"error": "who is sk-very-secret?"}')):
        caught = failure(answer)
        assert "secret" not in str(caught) and "***" in str(caught)
    for key in ("sk-very-secr\u00e9t", "sk-very secret", "sk-very\nsecret"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(ConfigError, match="OPENAI_API_KEY") as refused:
            Endpoint("m", "http://localhost:1/v1")
        assert "sk-very" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://me:secret@localhost:1/v1", "http://localhost:1/v1?key=secret", "http://me:secret@localhost:x/v1",
                                 "http://[::1", "http://localhost:99999/v1"])
def test_a_base_url_is_bare(url: str) -> None:
    with pytest.raises(ConfigError, match="base URL") as caught:
        Endpoint("m", url)
    assert "secret" not in str(caught.value)


def test_one_endpoint_serves_several_loops() -> None:
    with faulty(chat()) as server:
        model = Endpoint("m", server.url)
        assert [run(model.generate(ASK))[0].text for _ in range(3)] == ["fine"] * 3


def test_fingerprints_tell_settings_apart() -> None:
    url = "http://localhost:1/v1"
    options: list[dict[str, Any]] = [{}, {"api": "completions"}, {"without": ["seed"]}, {"body": {"a": 1}}, {"dialect": "vllm"}]
    marks = [Endpoint("m", url, **o).card.fingerprint for o in options] + [Endpoint("n", url).card.fingerprint]
    assert len(set(marks)) == len(marks)
    assert Endpoint("m", url, price=Price(1, 1), name="x").card.fingerprint == marks[0]


def test_tools_and_names_are_sent_as_they_are() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    messages = (Message("user", "hello", name="ann"), Message("assistant", "", tool_calls=(call,)), Message("tool", "4", tool_call_id="c1"))
    with faulty(chat()) as server:
        run(Endpoint("m", server.url, dialect="openai").generate(ASK.having(messages=messages, tools=(tool,))))
    [body] = server.bodies
    assert body["tools"] == [tool]
    assert body["messages"] == [{"role": "user", "content": "hello", "name": "ann"},
                                {"role": "assistant", "content": "", "tool_calls": [call]},
                                {"role": "tool", "content": "4", "tool_call_id": "c1"}]


@pytest.mark.parametrize("tops", [None, [{"A": -0.1, " B": -2.5}, None]])
def test_log_probabilities_of_completions(tops: list[dict[str, float] | None] | None) -> None:
    told = {"tokens": ["A", "!"], "token_logprobs": [-0.1, -0.5], "top_logprobs": tops, "text_offset": [0, 1]}
    body = {"id": "x", "object": "text_completion", "created": 0, "model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            "choices": [{"index": 0, "text": "A!", "finish_reason": "stop", "logprobs": told}]}
    with faulty(raw(200, json.dumps(body))) as server:
        [reply] = run(Endpoint("m", server.url, api="completions", dialect="vllm").generate(ASK, scope=Scope(extras=frozenset({"logprobs"}))))
    assert server.bodies[0]["prompt"].startswith("hello") and reply.text == "A!"
    first = () if tops is None else (("A", -0.1), (" B", -2.5))
    assert reply.tokens == (Token("A", -0.1, first), Token("!", -0.5, ()))


@pytest.mark.parametrize("value", [0.5, "high", None])
def test_what_is_no_log_probability_is_an_answer_that_cannot_be_read(value: Any) -> None:
    told = {"content": [{"token": "A", "logprob": value, "bytes": None, "top_logprobs": []}]}
    with faulty(chat("A", logprobs=told)) as server, pytest.raises(ModelError, match="cannot be read") as caught:
        run(Endpoint("m", server.url, dialect="vllm").generate(ASK, scope=Scope(extras=frozenset({"logprobs"}))))
    assert caught.value.transient
