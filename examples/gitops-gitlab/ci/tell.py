"""Tells people in GitLab: `tell.py review` in a merge request, `tell.py drift` in an issue.

The review becomes one note, which is edited from then on. Drift becomes one issue:

    tonight         no issue is open       one is open
    drift           opens it               brings its text up to date; says so if it is another than the night before
    cannot be told  opens it, as that      keeps the text, which is of the last night that could tell; says so once
    as declared     nothing                says so and closes it

The first line of each, which nobody sees, finds it again. That of the issue says what it is of too: the outcome and, of
drift, a digest; then what came since, if that could not tell. GITLAB_TOKEN is a project access token with the role
Reporter and the scope api; without one, as in a fork, nothing is told. Exit code 1: GitLab could not be told.
"""

import hashlib
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

DRIFT = {
    "changes": "is no longer as declared",
    "fails": "is no longer as declared, and an `up` would fail",
}
UNKNOWN = {
    "misconfigured": "cannot be checked: its configuration is wrong",
    "undetermined": "could not be checked",  # as is an outcome of a later version
}
NO_REPORT = {
    "outcome": "undetermined",
    "headline": "There is no report: a command before the review failed.",
    "sets": [],
    "others": [],
}
AS_DECLARED = "cancelled already"  # the effect of a device that nobody has to be told about


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
    report = NO_REPORT | json.loads(text("review.json") or "{}")
    headline = report["headline"]
    issue = project.ours("issues", "description", marker, state="opened")
    path = f"issues/{issue['iid']}" if issue else "issues"

    def say(words: str) -> None:
        project.call("POST", f"{path}/notes", body=f"{words}\n\n{headline} ({run})")

    if report["outcome"] == "fine":
        if issue:
            say("All is as declared again.")
            project.call("PUT", path, state_event="close")
        return

    is_drift = report["outcome"] in DRIFT
    outcome = report["outcome"] if is_drift or report["outcome"] in UNKNOWN else "undetermined"
    now = f"{outcome} {digest(report)}" if is_drift else outcome
    state, _, rest = issue["description"].removeprefix(marker).partition(" -->") if issue else ("", "", "")
    told, _, since = state.partition(", then ")
    told_drift = told.split(" ")[0] in DRIFT
    if told_drift and not is_drift:
        if since != now:
            say("This night could not tell. What stands above is of the last night that could.")
            project.call("PUT", path, description=f"{marker}{told}, then {now} -->{rest}")
        return

    if issue and now != state:
        say(news(report, known=told_drift and not since) if is_drift else "Nobody knows still, for another reason.")
    title = f"enos-ota: {stack} {(DRIFT | UNKNOWN)[outcome]}"
    unknown = "This is no drift: nobody knows. Look into the job; the next night tries again."
    advice = advise(report) if is_drift else unknown
    body = f"{marker}{now} -->\n**{headline}** {advice} ({run})\n\n{text('review.md')}"
    project.call("PUT" if issue else "POST", path, title=title, description=body)


def digest(report: dict[str, Any]) -> str:
    """What tells one drift from another: devices and what became of them, not a time or the status of an upgrade."""
    rows = [[change["op"], change["type"], change["name"]] for change in report["others"]]
    for one in report["sets"]:
        if one["change"] != "none":
            rows.append([one["name"], one["jobId"], one["change"], *one["metadata"]])
        told = (key for key in one["keys"] if key["effect"] != AS_DECLARED)
        rows += [[one["name"], one["jobId"], key["deviceKey"], key["effect"]] for key in told]
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:16]


def news(report: dict[str, Any], *, known: bool) -> str:
    """What the night brought, for those who read notes alone. No text of others is in it: a note is not escaped."""
    counts: Counter[str] = Counter()
    for one in report["sets"]:
        counts.update(one["counts"])
    del counts[AS_DECLARED]
    told = ", ".join(f"{number} {effect}" for effect, number in counts.items())
    what = "The drift has changed" if known else "Now it can be told: there is drift"
    return f"{what}{told and f': {told}'}. What stands above is of this night."


def advise(report: dict[str, Any]) -> str:
    """What helps: an `up` only where it has something to do."""
    changing = [one for one in report["sets"] if one["change"] != "none"]
    refused = not report["previewed"] or any(one["errors"] for one in changing)
    lost = any(one["change"] == "none" and (one["errors"] or one["outdated"]) for one in report["sets"])
    advice = []
    if report["previewed"] and (report["others"] or not all(one["errors"] for one in changing)):
        what = "what it can" if refused or lost else "it"
        advice.append(
            "Merge a change that says what is right, or run `up` of the latest pipeline of the default branch: "
            f"it makes {what} as declared."
        )
    if refused:
        advice.append("An `up` would fail: below stands why, and what to change.")
    if lost:
        advice.append(
            "About devices that cannot be called back `up` does nothing: see to them, and take them out of their set."
        )
    return " ".join(advice)


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
