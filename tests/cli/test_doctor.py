"""The doctor looks at what is there, and says what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from consilience.cli.doctor import EXTRAS
from consilience.store import Store
from tests.cli.scene import call
from tests.models.faults import chat, faulty


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_all_areas_are_looked_at() -> None:
    findings = {f["area"]: f for f in json.loads(call("doctor", "--json").stdout)}
    assert {"python", "consilience", "devices", "machine", "disk", "store", "nursery", "sandbox", "endpoint"} <= set(findings)
    assert {f"[{extra}]" for extra in EXTRAS} <= set(findings)
    assert findings["python"]["state"] == "ok" and findings["endpoint"]["state"] == "missing"
    assert all(f["todo"] for f in findings.values() if f["state"] != "ok")


def test_a_damaged_store_is_broken_and_exits_1(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.db", tmp_path / "bad.db"
    Store(good).close()
    bad.write_bytes(b"this is no database" * 100)
    assert "0 draws" in call("doctor", "--store", good).stdout
    result = call("doctor", "--store", bad)
    assert result.exit_code == 1 and "broken" in result.stdout and "--store" in result.stdout


def test_where_programs_cannot_be_isolated_it_says_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from consilience.sandbox import run
    monkeypatch.setattr(run, "_found", [])
    monkeypatch.setattr(run, "candidates", lambda: [])
    finding = next(f for f in json.loads(call("doctor", "--json").stdout) if f["area"] == "sandbox")
    assert finding["state"] == "missing" and "not run" in finding["found"] and finding["todo"].startswith("install bubblewrap")


def test_an_endpoint_that_is_down_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    result = call("doctor")
    assert result.exit_code == 1 and "http://127.0.0.1:9/v1" in result.stdout and "OPENAI_API_KEY" in result.stdout


def test_an_endpoint_that_lists_no_models_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(chat("fine")) as server:        # it knows no GET
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        result = call("doctor")
    assert result.exit_code == 0 and f"{server.url}: the server answers, but lists no models (status 501)" in result.stdout


def test_a_key_that_cannot_be_sent_is_broken_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secr\u00e9t")
    result = call("doctor")
    assert result.exit_code == 1 and "OPENAI_API_KEY holds" in result.stdout and "secr" not in result.stdout.replace("secret", "")


@contextmanager
def listing(body: str, content_type: str = "application/json") -> Iterator[str]:
    """The address of a server that gives one body to whoever asks what it has."""
    class Lists(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Lists) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_an_endpoint_tells_what_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [{"id": f"m{i}", "object": "model", "created": 0, "owned_by": "x"} for i in range(7)]
    with listing(json.dumps({"object": "list", "data": models})) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        findings = {f["area"]: f for f in json.loads(call("doctor", "--json").stdout)}
    assert findings["endpoint"]["state"] == "ok" and findings["endpoint"]["found"] == f"{url}: 7 models (m0, m1, m2, m3, m4, …)"


@pytest.mark.parametrize(("body", "kind"), [("<html>Welcome</html>", "text/html"), ("[]", "application/json"), ("{}", "application/json"),
                                            ('{"data": [{"name": "m"}]}', "application/json"), ('{"data": 5}', "application/json"),
                                            ("{", "application/json")])
def test_an_address_of_something_else_is_no_endpoint(monkeypatch: pytest.MonkeyPatch, body: str, kind: str) -> None:
    with listing(body, kind) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        result = call("doctor", "--json")
    finding = {f["area"]: f for f in json.loads(result.stdout)}["endpoint"]
    assert finding["state"] in ("broken", "missing") and url in finding["found"] and finding["todo"]
