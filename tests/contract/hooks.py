"""What schemathesis has to know of the API that no schema can say."""

import itertools
import json
import uuid

import schemathesis
from schemathesis.generation.meta import CoverageScenario


# Programs that are run in a sandbox at once. Each takes as much of the machine as a hundred requests.
AT_ONCE = 5
programs = itertools.count()


def put_off(path, job):
    """All but the first programs are due later than anybody waits: here it matters that they are taken."""
    kind = "task" if path.endswith("/tasks") else str(job.get("kind"))
    runs = kind in ("task", "sandbox.run") or kind.startswith("fn.")
    if runs and not job.get("run_at") and not job.get("delay") and next(programs) >= AT_ONCE:
        job["delay"] = 3600


@schemathesis.hook
def before_call(context, case, kwargs):
    # A changed case is judged anew, as if what it leaves out on purpose were there.
    if getattr(case.meta.phase.data, "scenario", None) == CoverageScenario.MISSING_PARAMETER:
        return
    headers, query = case.headers or {}, case.query or {}
    # A key stands for one request, and those that are made up come again and again.
    if headers.get("Idempotency-Key") and case.meta.generation.mode.is_positive:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    # Waiting and following are tested elsewhere; here they would only take time.
    if headers.get("Prefer"):
        headers["Prefer"] = "wait=0"
    if str(query.get("follow")).lower() in ("1", "true"):
        query["follow"] = "0"
    if case.meta.generation.mode.is_positive and isinstance(case.body, (dict, list)):
        jobs = case.body if isinstance(case.body, list) else [case.body]
        # A thousand jobs at once are tried elsewhere; here their runs and webhooks would only take time.
        del jobs[20:]
        if case.path.endswith(("/jobs", "/jobs/batch", "/tasks")):
            for job in jobs:
                put_off(case.path, job)
    # A partial batch says line by line what is wrong with it, and is not refused.
    if str(query.get("partial")).lower() == "true":
        query["partial"] = "false"


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def filter_case(context, case):
    """Text that is made up is not lines of JSON; those that are shown as examples are."""
    return case.media_type != "application/x-ndjson" or str(case.body).startswith("{")
