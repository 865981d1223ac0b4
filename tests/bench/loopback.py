"""A small OpenAI-compatible server on loopback whose answers depend on the request alone, and which counts."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LATENCY = 0.004
"""Seconds that an answer takes."""


class Counting(ThreadingHTTPServer):
    """`asked` counts equal requests; `wait_for(n)` blocks until `n` more have come."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.total = 0
        self.came = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def wait_for(self, n: int, timeout: float = 30.0) -> None:
        with self.came:
            goal = self.total + n
            self.came.wait_for(lambda: self.total >= goal, timeout)

    def forget(self) -> Counter[str]:
        """What was asked, and start counting anew."""
        with self.came:
            asked, self.asked = self.asked, Counter()
            return asked

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed client is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Counting

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return          # the client was killed while it was sending
        digest = hashlib.sha256(body).hexdigest()
        with self.server.came:
            self.server.asked[digest] += 1
            self.server.total += 1
            self.server.came.notify_all()
        time.sleep(LATENCY)
        text = f"The answer is {'ABC'[int(digest, 16) % 3]}."
        answer = json.dumps({
            "id": "x", "object": "chat.completion", "created": 1, "model": json.loads(body)["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving() -> Iterator[Counting]:
    server = Counting()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
