"""The unit tests of the kernel's own code on this machine: 64-bit with sanitizers, and 32-bit."""
import os

from .job import Job
from .process import run

LIMIT = 240  # seconds


def jobs(build, _work):
    for name, what in (("tests64", "64-bit, sanitizers"), ("tests32", "32-bit")):
        yield Job(f"host: {name} ({what})",
                  lambda report, path=os.path.join(build, "host", name): job(report, path))


def job(report, path):
    done = run([path], LIMIT)
    report.read_tap(done.text(), plan_required=not done.timed_out,
                    explained_before=True)
    report.tail = (done.text() + done.error_text()).splitlines()[-15:]
    if done.timed_out:
        report.add(False, f"ended within {LIMIT} seconds")
    elif done.status and not report.count()[1]:
        report.add(False, f"exit status {done.status}")
