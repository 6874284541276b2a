"""Writes to GitLab: `notify.py review` a note on a merge request, `notify.py drift` an issue.

The review is one note, edited after each push. Drift is one issue:

    tonight       no issue is open       one is open
    drift         opens one              updates its text; adds a note if the drift is not that of the night before
    unknown       opens one              keeps the text of the last successful check; adds a note once
    as declared   nothing                adds a note and closes it

An HTML comment in the first line identifies the note and the issue. That of the issue also has its state: the outcome
and, for drift, a digest; then the outcome of a later check that failed. GITLAB_TOKEN is a project access token with the
role Reporter and the scope api; without one, as in a fork, nothing is written. Exit code 1: GitLab did not accept it.
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
    "undetermined": "could not be checked",  # also an outcome of a later version
}
NO_REPORT = {
    "outcome": "undetermined",
    "headline": "There is no report: a command before the review failed.",
    "sets": [],
    "others": [],
}
AS_DECLARED = "cancelled already"  # the effect on a device that is as declared


class Project:
    """This project in GitLab's API."""

    def __init__(self, api: str, project: str, token: str) -> None:
        self._api, self._project, self._token = api, project, token

    def call(self, method: str, path: str, **fields: object) -> Any:
        """Make one call; `path` is below the project, or below the API if it begins with a slash."""
        url = self._api + (path if path.startswith("/") else f"/projects/{self._project}/{path}")
        data = json.dumps(fields).encode() if fields else None
        headers = {"PRIVATE-TOKEN": self._token, "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - GitLab names it
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
            return json.load(answer)

    def find_own(self, path: str, field: str, marker: str, **query: str) -> dict[str, Any] | None:
        """Return the item of a list that this token's user wrote and whose text begins with the marker."""
        me = self.call("GET", "/user")["id"]
        page = 1
        while found := self.call("GET", f"{path}?{urllib.parse.urlencode({**query, 'per_page': 100, 'page': page})}"):
            for each in found:
                if each["author"]["id"] == me and (each[field] or "").startswith(marker):
                    return dict(each)
            page += 1
        return None


def notify_review(project: Project, environ: dict[str, str]) -> None:
    """Write or edit the note on the merge request."""
    stack, run = environ["PULUMI_STACK"], environ["CI_JOB_URL"]
    marker = f"<!-- enos-ota review: {stack} -->\n"
    review, notes = read("review.md").removeprefix(marker), []
    if not review:
        notes.append(f"**There is no review of `{stack}`:** a command of [this job]({run}) failed before it.")
    if environ.get("PULUMI_BACKEND_URL") == "file://.":
        notes.append("**Without the state:** this job has no variables, so every declared set looks new here.")
    if read("review.html"):
        notes.append(f"[Every device key, to search and filter]({run}/artifacts/file/review.html) · [job]({run})")
    body = marker + "".join(f"{note}\n\n" for note in notes) + review
    path = f"merge_requests/{environ['CI_MERGE_REQUEST_IID']}/notes"
    if note := project.find_own(path, "body", marker):
        project.call("PUT", f"{path}/{note['id']}", body=body)
    else:
        project.call("POST", path, body=body)


def notify_drift(project: Project, environ: dict[str, str]) -> None:
    """Open, update or close the issue."""
    stack, run = environ["PULUMI_STACK"], f"[job]({environ['CI_JOB_URL']})"
    marker = f"<!-- enos-ota drift: {stack}: "
    report = NO_REPORT | json.loads(read("review.json") or "{}")
    headline = report["headline"]
    issue = project.find_own("issues", "description", marker, state="opened")
    path = f"issues/{issue['iid']}" if issue else "issues"

    def add_note(words: str) -> None:
        project.call("POST", f"{path}/notes", body=f"{words}\n\n{headline} ({run})")

    if report["outcome"] == "fine":
        if issue:
            add_note("All sets are as declared again.")
            project.call("PUT", path, state_event="close")
        return

    is_drift = report["outcome"] in DRIFT
    outcome = report["outcome"] if is_drift or report["outcome"] in UNKNOWN else "undetermined"
    now = f"{outcome} {digest(report)}" if is_drift else outcome
    state, _, rest = issue["description"].removeprefix(marker).partition(" -->") if issue else ("", "", "")
    shown, _, failure = state.partition(", then ")
    shows_drift = shown.split(" ")[0] in DRIFT
    if shows_drift and not is_drift:
        if failure != now:
            add_note("Tonight's check failed. The text above is from the last successful check.")
            project.call("PUT", path, description=f"{marker}{shown}, then {now} -->{rest}")
        return

    if issue and now != state:
        known = shows_drift and not failure
        add_note(describe_change(report, known=known) if is_drift else "The check failed again, for another reason.")
    title = f"enos-ota: {stack} {(DRIFT | UNKNOWN)[outcome]}"
    unknown = "This is not drift: the check failed. See the job; the next night checks again."
    advice = advise(report) if is_drift else unknown
    body = f"{marker}{now} -->\n**{headline}** {advice} ({run})\n\n{read('review.md')}"
    project.call("PUT" if issue else "POST", path, title=title, description=body)


def digest(report: dict[str, Any]) -> str:
    """Return a digest of the drift: devices and effects, without times and the status of upgrades."""
    rows = [[change["op"], change["type"], change["name"]] for change in report["others"]]
    for one in report["sets"]:
        if one["change"] != "none":
            rows.append([one["name"], one["jobId"], one["change"], *one["metadata"]])
        affected = (key for key in one["keys"] if key["effect"] != AS_DECLARED)
        rows += [[one["name"], one["jobId"], key["deviceKey"], key["effect"]] for key in affected]
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:16]


def describe_change(report: dict[str, Any], *, known: bool) -> str:
    """Describe the change in one note. It has no text of other people, as a note is not escaped."""
    counts: Counter[str] = Counter()
    for one in report["sets"]:
        counts.update(one["counts"])
    del counts[AS_DECLARED]
    effects = ", ".join(f"{number} {effect}" for effect, number in counts.items())
    what = "The drift has changed" if known else "The check succeeded: there is drift"
    return f"{what}{effects and f': {effects}'}. The text above is from tonight."


def advise(report: dict[str, Any]) -> str:
    """Return what to do; `up` only where it has something to do."""
    changing = [one for one in report["sets"] if one["change"] != "none"]
    refused = not report["previewed"] or any(one["errors"] for one in changing)
    lost = any(one["change"] == "none" and (one["errors"] or one["outdated"]) for one in report["sets"])
    advice = []
    if report["previewed"] and (report["others"] or not all(one["errors"] for one in changing)):
        what = "what it can of the declared state" if refused or lost else "the declared state"
        advice.append(
            "Merge a corrected declaration, or run `up` of the latest pipeline of the default branch: "
            f"it restores {what}."
        )
    if refused:
        advice.append("An `up` would fail: the review below says why, and what to change.")
    if lost:
        advice.append(
            "`up` cannot cancel the tasks of some devices: handle them in the EnOS console, then take them out of "
            "the set."
        )
    return " ".join(advice)


def read(name: str) -> str:
    """Return a file's text; "" if there is none."""
    file = Path(name)
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def main(arguments: list[str], environ: dict[str, str]) -> str | None:
    """Run the command line; return what went wrong."""
    what = {"review": notify_review, "drift": notify_drift}.get(" ".join(arguments))
    if what is None:
        return "usage: notify.py review|drift"
    token = environ.get("GITLAB_TOKEN")
    if not token:
        sys.stdout.write("GITLAB_TOKEN is not set, as in a fork: nothing is written; the report is in the artifacts.\n")
        return None
    try:
        what(Project(environ["CI_API_V4_URL"], environ["CI_PROJECT_ID"], token), environ)
    except urllib.error.HTTPError as error:
        what_failed = f"{error.code} {error.reason}, {error.url}"
        return f"GitLab refused the request ({what_failed}): check GITLAB_TOKEN's role and scope"
    except OSError as error:
        return f"GitLab could not be reached: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
