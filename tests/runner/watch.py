"""What watches the long runs, watched: planted parts that fail, are too long, hang, are interrupted."""
import importlib.machinery
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from . import disk, proofs
from .job import Job
from .launcher import left_over
from .process import ROOT, follow, images, kill_group, machine, run
from .report import Report
from .soak import MINUTES, Part, Soak

SCRIPT = os.path.join(ROOT, "tests/run")


def jobs(build, work):
    yield Job("watch: the tests that docs/testing.md names", named_tests)
    yield Job("watch: every mutation fits its source", mutations)
    yield Job("watch: the parts of a long run", lambda report: parts(report, work))
    yield Job("watch: real programs that cannot be fetched",
              lambda report: unreachable(report, build, work))
    yield Job("watch: a hang says who waits for what", lambda report: hang(report, build, work))
    for part in ("paging, small", "tests on Quire"):
        yield Job(f"watch: a long run that is interrupted, {part}",
                  lambda report, part=part: interrupted(report, build, work, part))


def named_tests(report):
    """Each name in the table of mistakes stands in a test, or is a file."""
    with open(os.path.join(ROOT, "docs/testing.md"), encoding="utf-8") as file:
        table = file.read().partition("## What went wrong elsewhere")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    names = [name for row in rows for name in re.findall("`([^`]*)`", row)]
    report.add(len(rows) >= 20 and len(names) >= len(rows), "there are rows, and names in them")
    there = TOOLS + "\n".join(sources())
    for name in names:
        report.add(name in there or os.path.exists(os.path.join(ROOT, name)), f"there is {name}")
    report.add("a test that nobody has written" + " yet" not in there, "one that is not is missed")


def mutations(report):
    """Of the lists that make simulate-mutations and make worlds-mutations take, no entry is out of
    date: it would only be noticed there."""
    loader = importlib.machinery.SourceFileLoader("mutate", os.path.join(ROOT, "tests/host/mutate"))
    mutate = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutate", loader))
    loader.exec_module(mutate)
    count = 0
    for name in ("mutations.txt", "mutations_worlds.txt"):
        for mutation in mutate.read_list(os.path.join(ROOT, "tests/host", name)):
            count += 1
            try:
                with open(os.path.join(ROOT, mutation.file), encoding="utf-8") as file:
                    mutation.apply(file.read())
            except (OSError, SystemExit) as error:
                report.add(False, f"{name}: {mutation.name}", str(error))
    report.add(count > 100, "there are mutations", f"{count} of them")


TOOLS = "make worlds\nmem\nvmmap\n--trace\n"


def sources():
    """What all tests are made of. A string that goes on in the next line is put together."""
    for directory, _, files in os.walk(os.path.join(ROOT, "tests")):
        for name in files:
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                yield re.sub(r'"\s*\n\s*"', "", file.read())


def soak_of(work, minutes, parts):
    """Whether all was well, the tasks by name, what was printed."""
    said = []
    run = Soak(parts, "", tempfile.mkdtemp(dir=work), minutes, lanes=2, write=said.append)
    return run.run(), {task.part.name: task for task in run.tasks}, "\n".join(said)


def count(total):
    return lambda task: proofs.count_up(task, total, 1, "steps",
                                        lambda _first, _count: time.sleep(0.02))


def parts(report, work):
    def wrong(task):
        task.failures.append("a wrong byte")

    def broken(_task):
        raise ValueError("what breaks")

    def sized(task):
        task.figures = task.left_out = task.largest((("large", 1000), ("small", 1)))

    well, tasks, said = soak_of(work, MINUTES, [Part("some", 1, count(5)), Part("more", 1, count(9))])
    report.add(well and tasks["more"].figures == "9 steps", "what fits is done whole", said)
    report.add(re.search(r"\| some \| 5 steps \| \d+ \| passed \|", said), "the table has a row for each part", said)
    for name, perform in (("wrong", wrong), ("broken", broken)):
        well, tasks, said = soak_of(work, 1, [Part("some", 1, count(5)), Part(name, 1, perform)])
        report.add(not well and "FAILED" in said and tasks["some"].verdict() == "passed",
                   f"a {name} part fails the run, and the others go on", said)
    hour = [Part("long", 1000, count(10 ** 6)), Part("sized", 100, sized)]
    well, tasks, said = soak_of(work, 0.12, hour)
    report.add(well, "fewer minutes were asked for, so what is left out is no failure", said)
    report.add(tasks["long"].left_out and tasks["long"].seconds < 0.12 * 60,
               "what can be divided ends in time", said)
    report.add(tasks["sized"].figures == "small",
               "of what cannot, a size is taken that fits", said)
    minute = Soak(hour, "", work, MINUTES, lanes=2, write=lambda _line: None)
    minute.tasks = list(tasks.values())
    report.add(not minute.judge(), "in the full time what is left out fails the run")


def unreachable(report, build, work):
    """Where the tools are missing that fetch programs, their tests fail, and say so."""
    nothing = tempfile.mkdtemp(dir=work)
    for only, tool in (("Lua", "apt-get"), ("0.9.70, mtest", "npm")):
        done = run([sys.executable, SCRIPT, "--build", build, "--only", only, "clients"], 60,
                   env=dict(os.environ, PATH=nothing, XDG_CACHE_HOME=nothing))
        report.add(done.status == 1 and f"{tool} is not installed" in done.text() and
                   done.text().splitlines()[-1] == "0 passed, 1 failed",
                   f"without {tool} they fail, and say so", *done.text().splitlines()[-8:])


def hang(report, build, work):
    temporary = tempfile.mkdtemp(dir=work)
    monitor = os.path.join(temporary, "monitor")
    stalls = []

    def stalled():
        stalls.append(time.monotonic())
        machine.interrupt(monitor)

    done = follow([os.path.join(ROOT, "quire"), "run", "--timeout", "60", "--qmp", monitor,
                   os.path.join(build, "launcher/code.exe"), "hang"], 70, lambda _line: None,
                  4, stalled, env=dict(os.environ, QUIRE_BUILD=build, TMPDIR=temporary,
                                       QUIRE_KERNEL=os.path.join(build, "debug/quire.elf")))
    report.tail = done.text().splitlines()
    report.add(len(stalls) == 1 and done.status == 125, "is noticed once, long before its limit",
               f"{len(stalls)} times, exit code {done.status}")
    said = done.text()
    report.add(re.search(r"^ *thread code.exe +waiting .*\n +for mutant \S+ count \S+ owner code.exe$",
                         said, re.M) is not None, "shows who waits for whom",
               *said.splitlines()[-40:])
    report.add(re.search(r"^ *thread code.exe +waiting .*\n +for auto event \S+ count 0 owner -$",
                         said, re.M) is not None, "and for what nobody owns")
    image, log, told = (os.path.join(temporary, name) for name in ("image", "log", "told"))
    images.copy_sparse(os.path.join(build, "disk.img"), image)
    images.put_files(image, [(os.path.join(build, "launcher/code.exe"), "code.exe")])
    planted = Report(told)
    bad = disk.bad_disk(image, "read", [os.path.getsize(image) - 512])
    disk.perform(planted, build, log, bad, "code.exe hang", 0, limit=6)
    said = "\n".join(planted.tail)
    report.add(planted.count()[1] == 1 and "code.exe" in said and "waiting" in said,
               "on a disk with bad sectors, too", said)


def heed_interrupts():
    """In the child: who runs the tests in the background may have told it to ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(report, build, work, part):
    temporary = tempfile.mkdtemp(dir=work)
    run = subprocess.Popen([sys.executable, SCRIPT, "--build", build, "--soak", "5", "--only",
                            part], env=dict(os.environ, TMPDIR=temporary),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, start_new_session=True,
                           preexec_fn=heed_interrupts)
    try:
        run.stdout.readline()
        deadline = time.monotonic() + 60
        log = f"path={temporary}"  # as QEMU is told it
        while not left_over(log) and time.monotonic() < deadline:
            time.sleep(0.1)
        report.add(left_over(log), "a machine is running")
        run.send_signal(signal.SIGINT)
        begin = time.monotonic()
        said = run.communicate(timeout=20)[0].decode("utf-8", "replace")
        report.add(run.returncode == 130, "ends with 130", f"exit code {run.returncode}", said)
        report.add(time.monotonic() - begin < 15, "ends at once")
        deadline = time.monotonic() + 5  # a machine that is killed takes a moment to go
        while left_over(temporary) and time.monotonic() < deadline:
            time.sleep(0.1)
        report.add(not left_over(temporary), "leaves no process behind", *left_over(temporary))
        report.add(not os.listdir(temporary), "leaves no file behind", *os.listdir(temporary))
    finally:
        kill_group(run)
        run.stdout.close()
