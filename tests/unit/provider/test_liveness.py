"""An orphan must notice that its engine is gone."""

from __future__ import annotations

import socket
import threading

import pytest

from enos_ota.engine.liveness import (
    Address,
    EngineGone,
    engine_address,
    ensure_engine,
    is_alive,
    when_engine_is_gone,
)


@pytest.mark.parametrize(
    ("argv", "address"),
    [
        (["dynamic/__main__.py", "127.0.0.1:4711"], Address("127.0.0.1", 4711)),
        (["dynamic/__main__.py", "--logtostderr", "-v=9", "127.0.0.1:4711"], Address("127.0.0.1", 4711)),
        (["dynamic/__main__.py", "[::1]:4711"], Address("::1", 4711)),
        (["dynamic/__main__.py", "--tracing", "http://127.0.0.1:9411", "127.0.0.1:4711"], Address("127.0.0.1", 4711)),
        (["dynamic/__main__.py"], None),
        (["127.0.0.1:4711"], None),
        (["dynamic/__main__.py", "-v=9"], None),
    ],
)
def test_the_engines_address_is_the_last_argument_of_its_form(argv: list[str], address: Address | None) -> None:
    assert engine_address(argv) == address


def test_an_engine_that_accepts_connections_lives() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert is_alive(Address("127.0.0.1", server.getsockname()[1]))


def test_an_engine_whose_port_is_closed_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not is_alive(Address("127.0.0.1", port))


def test_without_an_address_nobody_can_tell_so_nothing_may_be_written() -> None:
    with pytest.raises(EngineGone, match="not known"):
        ensure_engine(["dynamic/__main__.py"])


def test_somebody_is_told_once_the_engine_is_gone() -> None:
    told = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        argv = ["dynamic/__main__.py", f"127.0.0.1:{server.getsockname()[1]}"]
        when_engine_is_gone(argv, told.set, every=0.01)
        assert not told.wait(0.2), "it lives"
    assert told.wait(20)


def test_without_an_address_nobody_is_ever_told() -> None:
    told = threading.Event()
    before = threading.active_count()
    when_engine_is_gone(["dynamic/__main__.py"], told.set, every=0.001)
    assert threading.active_count() == before
