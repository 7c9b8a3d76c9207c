"""The quick measurements: no operation may be dearer than on Linux."""
import os

from .job import Job
from .process import ROOT, run

LIMIT = 150  # seconds


def jobs(build, _work):
    yield Job("bench: no operation dearer than Linux tuned", lambda report: job(report, build))


def job(report, build):
    done = run([os.path.join(ROOT, "tests/bench/run"), "--build", build, "--quick"], LIMIT)
    said = (done.text() + done.error_text()).splitlines()
    report.add(done.status == 0 and not done.timed_out, "tests/bench/run --quick",
               *[line for line in said if line.startswith("bench: ")])
    report.tail = said
