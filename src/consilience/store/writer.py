"""One thread that writes: operations that come within a few milliseconds share a commit."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from consilience.errors import StoreError
from consilience.store.database import connect, explain

Operation = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
"""Does one kind of thing for several callers at once, inside a transaction: one result for each argument. It may be
run a second time after a rollback. Few statements are what counts: each one hands the interpreter over and back."""

LINGER_SECONDS = 0.002
"""How long the first operation of a batch waits for company."""

_Item = tuple[Operation, Any, "asyncio.Future[Any] | None"]


class Writer:
    """Runs operations in batches, those of one kind together and in order. A result is handed on only after its
    commit. `beat` is run at once, and again every so many seconds."""

    def __init__(self, path: Path, beat: Operation, every: float) -> None:
        self._path, self._beat, self._every = path, (beat, None, None), every
        self._connection = connect(path)
        [failed] = self._commit([self._beat])
        if failed is not None:
            raise failed
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="consilience-store", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation, argument: Any) -> asyncio.Future[Any]:
        """A future of the running loop with the result for this argument, or StoreError."""
        if self._closed:
            raise StoreError(f"the store {self._path} is closed")
        future = asyncio.get_running_loop().create_future()
        self._queue.put((operation, argument, future))
        return future

    def post(self, operation: Operation, argument: Any = None) -> None:
        """Run the operation some time soon; nobody waits for it, and its failure is of no consequence."""
        if not self._closed:
            self._queue.put((operation, argument, None))

    def close(self) -> None:
        """Write what is waiting and stop. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        beaten, running = time.monotonic(), True
        while running:
            items = self._next_batch()
            if None in items:
                running = False
            batch = [item for item in items if item is not None]
            if time.monotonic() - beaten > self._every:
                batch.append(self._beat)
                beaten = time.monotonic()
            if batch:
                _deliver(batch, self._commit(batch))
        self._connection.close()

    def _next_batch(self) -> list[_Item | None]:
        try:
            items = [self._queue.get(timeout=self._every)]
        except queue.Empty:
            return []
        time.sleep(LINGER_SECONDS)
        for _ in range(self._queue.qsize()):
            items.append(self._queue.get())
        return items

    def _commit(self, batch: list[_Item]) -> list[Any]:
        """Results or errors, one per operation. If the batch fails, each operation is tried by itself."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            results: list[Any] = [None] * len(batch)
            for operation, places in _kinds(batch).items():
                given = operation(connection, [batch[place][1] for place in places])
                for place, result in zip(places, given, strict=True):
                    results[place] = result
            connection.execute("COMMIT")
            return results
        except Exception as error:  # noqa: BLE001 - the edge of the thread: every waiter must hear of it
            self._roll_back()
            if len(batch) > 1:
                return [self._commit([item])[0] for item in batch]
            return [explain(error, self._path) if isinstance(error, sqlite3.Error) else error]

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:  # the file is gone or unreadable; the next operation will say so
            return


def _kinds(batch: list[_Item]) -> dict[Operation, list[int]]:
    kinds: dict[Operation, list[int]] = {}
    for place, (operation, _, _) in enumerate(batch):
        kinds.setdefault(operation, []).append(place)
    return kinds


def _deliver(batch: list[_Item], results: list[Any]) -> None:
    """Wake the waiters, once per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for (_, _, future), result in zip(batch, results, strict=True):
        if future is not None:
            by_loop.setdefault(future.get_loop(), []).append((future, result))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, pairs)
        except RuntimeError:  # the loop was closed; nobody waits any more
            continue


def _resolve(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
