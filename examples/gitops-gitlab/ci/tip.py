"""Checks that the job's commit is still the last one of the default branch.

An old `up` that is retried, rolled back to, or started late would cancel tasks that were removed from their set and
retried since. The job's own token reads the repository. Exit code 1: there is a later commit, or the check failed.
"""

import os
import subprocess
import sys


def main(environ: dict[str, str]) -> str | None:
    """Compare the commits; return why the job must not continue."""
    branch, commit, url = environ["CI_DEFAULT_BRANCH"], environ["CI_COMMIT_SHA"], environ["CI_REPOSITORY_URL"]
    command = ["git", "ls-remote", "--exit-code", url, f"refs/heads/{branch}"]
    try:
        done = subprocess.run(
            command,
            env={**environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        why = "" if done.returncode == 0 else done.stderr.strip() or f"there is no branch {branch}"
    except subprocess.TimeoutExpired:
        why = "no answer within 60 s"
    except OSError as error:
        why = f"git cannot be started: {error.strerror}"
    if why:
        why = " ".join(why.replace(url, "the repository").split())  # its token is in the address
        return f"Nothing was done: cannot check whether {commit[:8]} is the last commit of {branch} ({why}). Try again."
    tip = done.stdout.split()[0]
    if tip != commit:
        return (
            f"Nothing was done: {commit[:8]} is no longer the last commit of {branch}, which is {tip[:8]}. "
            "Start `up` in its pipeline; if it has none, make one: Build → Pipelines → New pipeline."
        )
    return None


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
