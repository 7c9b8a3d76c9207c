"""The quick measurements: no operation may be dearer than on Linux."""
import importlib.machinery
import importlib.util
import os

from .job import Job
from .process import ROOT, run

LIMIT = 150  # seconds
SCRIPT = os.path.join(ROOT, "tests/bench/run")


def jobs(build, _work):
    yield Job("bench: no operation dearer than Linux tuned", lambda report: job(report, build))


def job(report, build):
    done = run([SCRIPT, "--build", build, "--quick"], LIMIT)
    said = (done.text() + done.error_text()).splitlines()
    report.add(done.status == 0 and not done.timed_out, "tests/bench/run --quick",
               *[line for line in said if line.startswith("bench: ")])
    report.tail = said
    check_the_check(report)


def check_the_check(report):
    """Planted figures: one instruction too many is found, so is a row that is not there."""
    loader = importlib.machinery.SourceFileLoader("bench_run", SCRIPT)
    bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
    loader.exec_module(bench)
    peers, figures = bench.Peers(), bench.Figures()
    figures.costs = {row.name: row.tuned for row in peers.rows if row.gate}
    report.add(not bench.complaints(peers, figures, False), "as cheap as Linux is cheap enough")
    for name in list(figures.costs):
        planted = bench.Figures()
        planted.costs = dict(figures.costs, **{name: figures.costs[name] + 1})
        report.add(len(bench.complaints(peers, planted, False)) == 1, f"a dearer {name} is found")
    del figures.costs["copy-on-write"]
    report.add(len(bench.complaints(peers, figures, False)) == 1, "a missing row is found")
