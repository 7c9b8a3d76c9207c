"""The unit tests of the kernel's own code on this machine, the same with allocations, charges and
disk requests failing, and a share of the memory manager's simulation and of the small worlds: 64-bit
with sanitizers, and 32-bit."""
import os

from .job import Job
from .process import run

LIMIT = 240  # seconds
DEPTHS = {"tests64": 4, "tests32": 5}  # of the small worlds
POINTS = {"tests64": 2, "tests32": 4}  # failures of each kind, in each test
POINTS_LIMIT = 200  # milliseconds: tests that take longer are left out
SHARES = {"tests64": (1, 60), "tests32": (61, 240)}  # seeds: the first, how many


def jobs(build, _work):
    for name, what in (("tests64", "64-bit, sanitizers"), ("tests32", "32-bit")):
        yield Job(f"host: {name} ({what})",
                  lambda report, path=os.path.join(build, "host", name): job(report, path))
        yield Job(f"host: every test, {POINTS[name]} failures of each kind ({what})",
                  lambda report, path=os.path.join(build, "host", name), most=POINTS[name]:
                  failures(report, path, most))
        yield Job(f"host: simulation, {SHARES[name][1]} seeds ({what})",
                  lambda report, path=os.path.join(build, "host", name), share=SHARES[name]:
                  simulate(report, path, *share))
        yield Job(f"host: small worlds, {DEPTHS[name]} calls ({what})",
                  lambda report, path=os.path.join(build, "host", name), depth=DEPTHS[name]:
                  worlds(report, path, depth))


def job(report, path):
    done = run([path], LIMIT)
    report.read_tap(done.text(), plan_required=not done.timed_out,
                    explained_before=True)
    report.tail = (done.text() + done.error_text()).splitlines()[-15:]
    if done.timed_out:
        report.add(False, f"ended within {LIMIT} seconds")
    elif done.status and not report.count()[1]:
        report.add(False, f"exit status {done.status}")


def failures(report, path, most):
    done = run([path, "fail", "-m", str(most), "-t", str(POINTS_LIMIT)], LIMIT)
    lines = done.text().splitlines()
    report.tail = (lines + done.error_text().splitlines())[-60:]
    report.note = "; ".join(lines[-4:-1])
    report.add(not done.status and not done.timed_out, "every failure leaves all in order")


def simulate(report, path, first, count):
    done = run([path, "simulate", "-s", str(first), "-n", str(count)], LIMIT)
    report.tail = (done.text() + done.error_text()).splitlines()[-25:]
    report.add(not done.status and not done.timed_out, f"seeds {first} to {first + count - 1}")


def worlds(report, path, depth):
    done = run([path, "worlds", "-d", str(depth)], 3 * LIMIT)
    lines = done.text().splitlines()
    report.tail = (lines + done.error_text().splitlines())[-25:]
    report.note = lines[-1] if lines else ""
    report.add(not done.status and not done.timed_out, f"every sequence of {depth} calls")
