"""An HTTP server that misbehaves on purpose: each request gets the next of the answers that a test lays down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


class Faulty(ThreadingHTTPServer):
    """Listens on loopback. `bodies` are the requests so far; the last answer is repeated."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answers: list[Answer]) -> None:
        self.answers, self.bodies, self.times = answers, [], []  # type: ignore[var-annotated]
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """A client that hung up is no news."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Faulty

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            server.bodies.append(body)
            server.times.append(time.monotonic())
            answer = server.answers[min(len(server.bodies), len(server.answers)) - 1]
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        try:
            answer(self)
        finally:
            with server.lock:
                server.busy -= 1

    def log_message(self, *_: Any) -> None:
        pass


def raw(status: int, body: str, content_type: str = "application/json", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = body.encode()
        handler.send_response(status)
        for name, value in {"content-type": content_type, "content-length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)
    return answer


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    return raw(status, json.dumps({"error": {"message": message, "type": "x", "code": code}}), **headers)


def chat(text: str | None = "fine", *, choices: int = 1, finish: str = "stop", message: dict[str, Any] | None = None,
         logprobs: Any = None, usage: dict[str, int] | None = None, wait: float = 0.0) -> Answer:
    one = {"index": 0, "finish_reason": finish, "logprobs": logprobs,
           "message": {"role": "assistant", "content": text, **(message or {})}}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [one] * choices,
            "usage": usage or {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(wait)
        raw(200, json.dumps(body))(handler)
    return answer


def hang(seconds: float) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.close_connection = True
    return answer


def events(*chunks: Any, broken: bool = False, wait: float = 0.0) -> Answer:
    """A stream of chunks, `wait` seconds apart; `broken` ends it without a word."""
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        lines = [f"data: {json.dumps(c)}\n\n" for c in chunks] + ([] if broken else ["data: [DONE]\n\n"])
        for line in lines:
            time.sleep(wait)
            handler.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())
        if broken:
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")
    return answer


def delta(text: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": finish, "delta": {"content": text, **more}}]}


@contextmanager
def faulty(*answers: Answer) -> Iterator[Faulty]:
    server = Faulty(list(answers))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
