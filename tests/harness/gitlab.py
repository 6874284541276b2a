"""A GitLab of a few lists: what the example's script may ask of the API, over real HTTP.

It is as strict as the API about the token, and has nothing but what is needed: notes of merge request 7, and issues.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ME: Final = 42
"""The id of the token's user."""

TOKEN: Final = "glpat-of-the-tests"
PROJECT: Final = "11"


@dataclass
class GitLab:
    """What GitLab keeps.

    Attributes:
        notes: of merge request 7, as the API has them.
        issues: of the project.
        said: notes on issues, their text.
        calls: method and path of each call, below the project where they are.
        environ: what a job finds in its environment.
    """

    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    def writes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.calls if not call.startswith("GET ")]

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Any:
        """The answer to a call.

        Raises:
            LookupError: there is no such thing.
        """
        found: Any
        match method, path.split("/"):
            case "GET", ["merge_requests", "7", "notes"]:
                found = self._page(self.notes, query)
            case "POST", ["merge_requests", "7", "notes"]:
                found = {"id": 1 + len(self.notes), "author": {"id": ME}, "body": body["body"]}
                self.notes.append(found)
            case "PUT", ["merge_requests", "7", "notes", number]:
                found = self._change(self.notes, "id", number, body)
            case "GET", ["issues"]:
                found = self._page([each for each in self.issues if each["state"] == query["state"]], query)
            case "POST", ["issues"]:
                found = {"iid": 1 + len(self.issues), "author": {"id": ME}, "state": "opened", **body}
                self.issues.append(found)
            case "PUT", ["issues", number]:
                changes = {name: value for name, value in body.items() if name != "state_event"}
                if body.get("state_event") == "close":
                    changes["state"] = "closed"
                found = self._change(self.issues, "iid", number, changes)
            case "POST", ["issues", number, "notes"]:
                found = self._change(self.issues, "iid", number, {})
                self.said.append(body["body"])
            case _:
                raise LookupError(path)
        return found

    @staticmethod
    def _page(all_of_them: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        size, page = int(query.get("per_page", "20")), int(query.get("page", "1"))
        return all_of_them[size * (page - 1) : size * page]

    @staticmethod
    def _change(them: list[dict[str, Any]], field: str, number: str, changes: dict[str, Any]) -> dict[str, Any]:
        (one,) = [each for each in them if each[field] == int(number)] or [{}]
        if not one:
            raise LookupError(number)
        one |= changes
        return one


@dataclass
class Commits:
    """A real repository of empty commits, as a job may ask it which is the last.

    Attributes:
        repository: where it is.
        all: the commits that were made, the oldest first.
    """

    repository: Path
    all: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not shutil.which("git"):
            (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no git, which tells the last commit")
        self._git("init", "--quiet", "--bare", str(self.repository))

    def commit(self, ref: str = "refs/heads/main") -> str:
        """One more commit, from now on the last one of the branch."""
        tree = self._git("-C", str(self.repository), "hash-object", "-t", "tree", "-w", "/dev/null")
        parents = [argument for last in self.all[-1:] for argument in ("-p", last)]
        made = self._git("-C", str(self.repository), "commit-tree", tree, *parents, "-m", "Change")
        self._git("-C", str(self.repository), "update-ref", ref, made)
        self.all.append(made)
        return made

    def environ(self, commit: str = "") -> dict[str, str]:
        """What a job of this commit finds in its environment; of the last one if none is named."""
        return {
            "PATH": os.environ["PATH"],
            "CI_DEFAULT_BRANCH": "main",
            "CI_COMMIT_SHA": commit or self.all[-1],
            "CI_REPOSITORY_URL": str(self.repository),
        }

    def _git(self, *arguments: str) -> str:
        names = {f"GIT_{who}_{what}": "ana" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - a job takes the one on PATH too
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **names},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


@contextlib.contextmanager
def running_gitlab() -> Iterator[GitLab]:
    """A GitLab on loopback, gone at the end."""
    gitlab = GitLab()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            if self.headers["PRIVATE-TOKEN"] != TOKEN:
                self._say(401, {"message": "401 Unauthorized"})
                return
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            path = address.path.removeprefix("/api/v4").removeprefix(f"/projects/{PROJECT}/")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            gitlab.calls.append(f"{self.command} {path}")
            if path == "/user":
                self._say(200, {"id": ME})
                return
            try:
                self._say(200, gitlab.answer(self.command, path, query, body))
            except LookupError:
                self._say(404, {"message": "404 Not Found"})

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - the names that http.server looks for

        def _say(self, status: int, content: object) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Tests say what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gitlab.environ = {
            "CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}/api/v4",
            "CI_PROJECT_ID": PROJECT,
            "CI_MERGE_REQUEST_IID": "7",
            "GITLAB_TOKEN": TOKEN,
        }
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="gitlab")
        thread.start()
        try:
            yield gitlab
        finally:
            server.shutdown()
            thread.join()
