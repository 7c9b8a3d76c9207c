"""The quick measurements: no operation may be dearer than on Linux, or than before. What watches
them is watched."""
import importlib.machinery
import importlib.util
import os

from .job import Job
from .process import ROOT, run

LIMIT = 150  # seconds
SCRIPT = os.path.join(ROOT, "tests/bench/run")


def jobs(build, _work):
    yield Job("bench: no operation dearer than Linux tuned, or than before", lambda report: job(report, build))


def job(report, build):
    done = run([SCRIPT, "--build", build, "--quick"], LIMIT)
    said = (done.text() + done.error_text()).splitlines()
    report.add(done.status == 0 and not done.timed_out, "tests/bench/run --quick",
               *[line for line in said if line.startswith("bench: ")])
    report.tail = said
    check_the_check(report)


def planted(bench, costs):
    """Figures that say so."""
    figures = bench.Figures()
    figures.costs = {name: bench.Cost(*cost) for name, cost in costs.items()}
    return figures


def check_targets(report, bench):
    """As much as the target is enough; a little more is found."""
    aimed = [row for row in bench.rows() if row.target]
    for factor, count in ((1, 0), (1.03, len(aimed))):
        counted = planted(bench, {row.name: (row.target * factor,) for row in aimed})
        found = list(bench.gates.missed(bench.rows(), counted))
        report.add(len(found) == count, f"{factor} times the target: {count} findings",
                   f"{len(found)} of them")


def check_requests(report, bench):
    """Requests to the disk that are as large as is asked, a little smaller, and not counted."""
    asked = [row for row in bench.rows() if row.request]
    for nbytes, count in ((0, 0), (-1, len(asked)), (None, len(asked))):
        counted = planted(bench, {row.name: (1,) for row in asked})
        for row in asked if nbytes is not None else []:
            total = 2 * int(row.request * 1024) + nbytes
            requests = {"reads": f"2\t{total}\t9\t9", "writes": f"9\t9\t2\t{total}"}
            counted.read(f"disk\t{row.name}\t1\t{requests[row.requests]}\t0")
        found = list(bench.gates.smaller(bench.rows(), counted))
        report.add(bool(asked) and len(found) == count, "small requests to the disk are found",
                   f"{len(found)} of {len(asked)}")


def check_the_check(report):
    """Planted figures: what is dearer than on Linux or than before is found, and a missing row."""
    loader = importlib.machinery.SourceFileLoader("bench_run", SCRIPT)
    bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
    loader.exec_module(bench)
    rows, peers, kept, gates = bench.rows(), bench.Peers(), bench.Kept(), bench.gates
    tuned = {row.name: (peers.get(row.name, "tuned"),) for row in rows
             if peers.get(row.name, "tuned")}
    report.add(not list(gates.dearer(rows, planted(bench, tuned), peers)),
               "as cheap as Linux is cheap enough")
    found = [name for name, cost in tuned.items() if len(list(gates.dearer(
        rows, planted(bench, dict(tuned, **{name: (cost[0] * 1.001,)})), peers))) == 1]
    report.add(found == list(tuned), "a row that is dearer than on Linux is found",
               f"{len(found)} of {len(tuned)}")
    before = {name: (row["instructions"], row["flushes"], row["root_loads"])
              for name, row in kept.rows.items()}
    report.add(bool(before) and not list(gates.worse(rows, planted(bench, before), kept)),
               "as it was is good enough")
    for place, what in enumerate(("instructions", "TLB flushes", "CR3 writes")):
        more = dict(before)
        for name, cost in before.items():
            more[name] = [count * 1.11 + 0.2 if number == place else count
                          for number, count in enumerate(cost)]
        found = list(gates.worse(rows, planted(bench, more), kept))
        report.add(len(found) == len(before), f"more {what} than before are found",
                   f"{len(found)} of {len(before)}")
    host = 3  # this one takes three times as long for anything
    for factor, count in ((1.0, 0), (gates.SLOWER * 1.1, sum(
            row["wall"] is not None for row in kept.rows.values()))):
        wall = planted(bench, {name: (row["wall"] * host * factor + (gates.SLACK if count else 0),)
                               for name, row in kept.rows.items() if row["wall"] is not None})
        wall.speed = kept.speed * host
        found = list(gates.slower(rows, wall, kept))
        report.add(len(found) == count, f"{factor:.3g} times as slow: {count} findings",
                   f"{len(found)} of them")
    check_targets(report, bench)
    check_requests(report, bench)
    del before["copy-on-write"]
    found = list(gates.missing(rows, planted(bench, before), kept))
    report.add(any("copy-on-write" in line for line in found), "a missing row is found")
