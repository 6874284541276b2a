"""Tells people in GitLab: `tell.py review` in a merge request, `tell.py drift` in an issue.

The review becomes one note, which is edited from then on. Drift becomes one issue:

    tonight         no issue is open       one is open
    drift           opens it               brings its text up to date; says so if the night before was no drift
    cannot be told  opens it, as that      keeps the text, which is of the last night that could tell; says so once
    as declared     nothing                says so and closes it

The first line of each, which nobody sees, finds it again. GITLAB_TOKEN is a project access token with the role
Reporter and the scope api; without one, as in a fork, nothing is told. Exit code 1: GitLab could not be told.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

TOLD = {
    "changes": ("drift", "is no longer as declared"),
    "fails": ("drift", "is no longer as declared, and an `up` would fail"),
    "misconfigured": ("unknown", "cannot be checked: its configuration is wrong"),
}
NOT_KNOWN = ("unknown", "could not be checked")  # undetermined, or an outcome of a later version


class Project:
    """This project, as GitLab's API has it."""

    def __init__(self, api: str, project: str, token: str) -> None:
        self._api, self._project, self._token = api, project, token

    def call(self, method: str, path: str, **fields: object) -> Any:
        """One call; `path` is below the project, or below the API if it begins with a slash."""
        url = self._api + (path if path.startswith("/") else f"/projects/{self._project}/{path}")
        data = json.dumps(fields).encode() if fields else None
        headers = {"PRIVATE-TOKEN": self._token, "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - GitLab names it
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
            return json.load(answer)

    def ours(self, path: str, field: str, marker: str, **query: str) -> dict[str, Any] | None:
        """The one thing of a list that this token's user wrote and whose text begins with the marker."""
        me = self.call("GET", "/user")["id"]
        page = 1
        while found := self.call("GET", f"{path}?{urllib.parse.urlencode({**query, 'per_page': 100, 'page': page})}"):
            for each in found:
                if each["author"]["id"] == me and (each[field] or "").startswith(marker):
                    return dict(each)
            page += 1
        return None


def tell_review(project: Project, environ: dict[str, str]) -> None:
    """Make or edit the note on the merge request."""
    stack, run = environ["PULUMI_STACK"], environ["CI_JOB_URL"]
    marker = f"<!-- enos-ota review: {stack} -->\n"
    review, notes = text("review.md").removeprefix(marker), []
    if not review:
        notes.append(f"**There is no review of `{stack}`:** a command of [this job]({run}) failed before it.")
    if environ.get("PULUMI_BACKEND_URL") == "file://.":
        notes.append("**Without the state:** this job got no variables, so everything that is declared looks new here.")
    if text("review.html"):
        notes.append(f"[Every device key, to search and filter]({run}/artifacts/file/review.html) · [job]({run})")
    body = marker + "".join(f"{note}\n\n" for note in notes) + review
    path = f"merge_requests/{environ['CI_MERGE_REQUEST_IID']}/notes"
    if note := project.ours(path, "body", marker):
        project.call("PUT", f"{path}/{note['id']}", body=body)
    else:
        project.call("POST", path, body=body)


def tell_drift(project: Project, environ: dict[str, str]) -> None:
    """Open the issue, bring it up to date or close it."""
    stack, run = environ["PULUMI_STACK"], f"[job]({environ['CI_JOB_URL']})"
    marker = f"<!-- enos-ota drift: {stack}: "
    report = json.loads(text("review.json") or "{}")
    outcome = report.get("outcome", "undetermined")
    headline = report.get("headline", "There is no report: a command before the review failed.")
    issue = project.ours("issues", "description", marker, state="opened")
    path = f"issues/{issue['iid']}" if issue else "issues"

    def say(words: str) -> None:
        project.call("POST", f"{path}/notes", body=f"{words}\n\n{headline} ({run})")

    if outcome == "fine":
        if issue:
            say("All is as declared again.")
            project.call("PUT", path, state_event="close")
        return

    kind, words = TOLD.get(outcome, NOT_KNOWN)
    before = issue["description"].removeprefix(marker).partition(" -->")[0] if issue else ""
    if issue and kind == "unknown" and before != "unknown":
        if before == "drift":
            say("This night could not tell. What stands above is of the last night that could.")
            kept = issue["description"].replace(f"{marker}drift -->", f"{marker}drift, then unknown -->", 1)
            project.call("PUT", path, description=kept)
        return

    advice = "This is no drift: nobody knows. Look into the job; the next night tries again."
    if kind == "drift":
        advice = "Merge a change that says what is right, or run `up` of the latest pipeline: it makes it as declared."
    body = f"{marker}{kind} -->\n**{headline}** {advice} ({run})\n\n{text('review.md')}"
    project.call("PUT" if issue else "POST", path, title=f"enos-ota: {stack} {words}", description=body)
    if issue and kind != before:
        say("Now it can be told: there is drift.")


def text(name: str) -> str:
    """A file's text; "" if there is none."""
    file = Path(name)
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def main(arguments: list[str], environ: dict[str, str]) -> str | None:
    """Do what the command line says; gives what went wrong."""
    what = {"review": tell_review, "drift": tell_drift}.get(" ".join(arguments))
    if what is None:
        return "usage: tell.py review|drift"
    token = environ.get("GITLAB_TOKEN")
    if not token:
        sys.stdout.write("GITLAB_TOKEN is not set, as in a fork: nobody is told; the artifacts have the report.\n")
        return None
    try:
        what(Project(environ["CI_API_V4_URL"], environ["CI_PROJECT_ID"], token), environ)
    except urllib.error.HTTPError as error:
        what_failed = f"{error.code} {error.reason}, {error.url}"
        return f"GitLab refused to be told ({what_failed}): check GITLAB_TOKEN's role and scope"
    except OSError as error:
        return f"GitLab could not be told: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
