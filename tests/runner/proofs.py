"""The parts of `make soak`: the full size of what `make test` has a share of."""
import os
import re
import tempfile

from . import clients, crash, disk, kernel, user
from .process import ROOT, follow, machine, run
from .report import Report
from .soak import Part

SEEDS = 10000
SEEDS_AT_ONCE = 50
WORLDS = ((6, 430), (5, 60), (4, 6))  # depth, seconds
# MiB each of private and shared memory, RAM and paging file; seconds
PAGING_SMALL = (((128, "16M", "300M"), 70), ((24, "16M", "90M"), 25))
PAGING_LARGE = (((512, "32M", "1100M"), 220), ((256, "32M", "600M"), 90),
                ((64, "32M", "200M"), 30))
STALL = 180  # seconds without a sign of life that are taken for a hang
POLICY_SEEDS = 100
POLICY_FRAMES = (512, 1024, 2048)  # by turns
POLICY_SORT = 1.03  # of CLOCK's faults, all seeds together (docs/testing.md)
CUTS_SEEDS = 50
CRASH_SEEDS = 20  # of every way to change files, and of kills
EXERCISES, EXERCISE = 50, 20000  # seeds, operations of each
EXERCISE_LIMIT = 300  # seconds for one of them
ROUNDS = 3  # of the tests on Quire


def tool(task, name):
    return os.path.join(task.build, "host", name)


def count_up(task, total, step, what, perform):
    """Calls PERFORM(first, count) over TOTAL of WHAT, from 1 on, as long as there is time."""
    done = 0
    while done < total and not task.failures and not (done and task.time_is_over()):
        count = min(step, total - done)
        perform(done + 1, count)
        done += count
        task.progress = f"{done} of {total} {what}"
    task.figures = f"{done} {what}"
    if done < total:
        task.left_out = f"{total - done} of {total} {what}"


def expect(task, done, what):
    """Notes a failure of a program that has ended."""
    if done.timed_out or done.status:
        said = (done.text() + done.error_text()).splitlines()
        how = "did not end in time" if done.timed_out else f"exit status {done.status}"
        task.failures += [f"{what}: {how}"] + said[-40:]
    return not task.failures


# ---- on this machine -----------------------------------------------------------------------------

def simulate(before):
    """Half of the seeds, those behind BEFORE: two parts, so that two cores can have them."""
    def seeds(task):
        def some(first, count):
            first += before
            expect(task, run([tool(task, "tests32"), "simulate", "-s", str(first), "-n", str(count)],
                             task.left()), f"seeds {first} to {first + count - 1}")
        count_up(task, SEEDS // 2, SEEDS_AT_ONCE, f"seeds from {before + 1}", some)
    return seeds


def worlds(task):
    depth = task.largest(WORLDS)
    if depth != WORLDS[0][0]:
        task.left_out = f"{WORLDS[0][0]} calls"
    figures = []
    for words in (["-d", str(depth)], ["-b", "full", "-d", "2"]):
        done = follow([tool(task, "tests32"), "worlds", *words], task.left(),
                      lambda line: setattr(task, "progress", line))
        if not expect(task, done, "worlds " + " ".join(words)):
            return
        figures.append(done.text().splitlines()[-1])
    task.figures = "; from full worlds ".join(figures)


def cuts(task):
    def seed(first, _count):
        expect(task, run([tool(task, "tests64"), "power cut"], task.left(),
                         env=dict(os.environ, QUIRE_SEED=str(first))), f"QUIRE_SEED={first}")
    count_up(task, CUTS_SEEDS, 1, "seeds", seed)


POINTS, FIRST = 16, 1  # failures of each kind, in each host test; and the first of every path
KINDS = ("allocations", "charges", "disk requests")


def failures(kind):
    """Every host test with failures of one kind: on each path, and evenly spread."""
    def one_kind(task):
        whole = task.largest(((True, 0.6 * task.part.seconds), (False, 0)))
        effort = ["-p", str(FIRST), "-m", str(POINTS)] if whole else ["-m", "3", "-t", "200"]
        if not whole:
            task.left_out = "all but three points in each short test"

        def note(line):
            if line.startswith("# ") and "so far" in line:
                task.progress = line[2:]
        done = follow([tool(task, "tests64"), "fail", *effort, "-k", str(KINDS.index(kind))],
                      task.left(), note)
        expect(task, done, "every host test with failures")
        told = re.search(rf"^([1-9]\d* of \d+) {kind} made to fail, on (\d+) paths", done.text(),
                         re.M)
        tests = re.search(r"^(\d+ tests), (\d+) left out$", done.text(), re.M)
        if told is None or tests is None or (whole and tests[2] != "0"):
            task.failures.append(f"{kind}: nothing is told, or a test was left out")
        else:
            task.figures = f"{told[1]} on {told[2]} paths in {tests[1]}"
    return one_kind


POLICY_ROW = re.compile(r"^(\S+) +(?:\d+ +){2}\d+ +(\d+) +(\d+) +(\d+) +([\d.]+) ", re.M)


def policy(task):
    """Every string with each seed is judged by the tool; the sort, beside CLOCK, by the sums too."""
    worst = (0.0, "")
    sort = [0, 0]  # faults of CLOCK and ours

    def seed(first, _count):
        nonlocal worst, sort
        frames = POLICY_FRAMES[first % len(POLICY_FRAMES)]
        done = run([tool(task, "tests32"), "policy", "-n", str(frames), "-s", str(first)],
                   task.left())
        rows = POLICY_ROW.findall(done.text())
        if expect(task, done, f"policy, {frames} frames, seed {first}") and not rows:
            task.failures.append("no row of the table was read")
        for name, _lru, clock, ours, to_lru in rows:
            worst = max(worst, (float(to_lru), name))
            if name == "sort":
                sort = [sort[0] + int(clock), sort[1] + int(ours)]
    count_up(task, POLICY_SEEDS, 1, "seeds", seed)
    if not task.left_out and sort[1] > POLICY_SORT * sort[0]:
        task.failures.append(f"sort: {sort[1]} faults in all, CLOCK {sort[0]}")
    task.figures += (f" with {', '.join(map(str, POLICY_FRAMES))} frames, at most {worst[0]:.3f} of "
                     f"LRU ({worst[1]}); sort {sort[1] / max(1, sort[0]):.3f} of CLOCK")


# ---- in QEMU -------------------------------------------------------------------------------------

def paging(sizes):
    return lambda task: page(task, sizes[0][0][0], *task.largest(sizes))


def page(task, whole, mib, memory, pagefile):
    if mib != whole:
        task.left_out = f"{whole} MiB"
    log, monitor = os.path.join(task.work, "log"), os.path.join(task.work, "monitor")
    done = follow([os.path.join(ROOT, "quire"), "run", "--append", "audit", "--memory", memory,
                   "--pagefile", pagefile, "--timeout", f"{task.left():.0f}", "--log", log,
                   "--qmp", monitor, os.path.join(task.build, "user/tests/paging.exe"), str(mib)],
                  task.left() + 15, lambda line: setattr(task, "progress", line.lstrip("# ")),
                  STALL, lambda: machine.interrupt(monitor), env=quire_environment(task))
    report = Report(task.part.name)
    report.read_tap(done.text())
    passed, failed, _ = report.count()
    task.figures = f"{mib} MiB private and {mib} MiB shared by three at {memory}: {passed} checks"
    if failed or done.status or done.timed_out:
        task.failures += [f"exit status {done.status}"] + done.text().splitlines()[-60:]


def quire_environment(task):
    return dict(os.environ, QUIRE_BUILD=task.build, TMPDIR=task.work,
                QUIRE_KERNEL=os.path.join(task.build, "debug/quire.elf"))


def sweep(task):
    """Every system call, and the scenarios of the host, each point."""
    done = run([tool(task, "tests64"), "failure"], task.left())
    expect(task, done, "the host's failure sweep")
    report = Report(task.part.name)
    program = next(program for program in user.programs(task.build, task.work)
                   if program.name == "sweep")
    user.run_quire(report, program, task.build, task.work)
    task.figures = f"{report.count()[0]} checks"
    take(task, report)


def take(task, report):
    """The failures of a job of `make test`."""
    for check in report.checks:
        if not check.passed:
            task.failures += [f"{report.name}: {check.name}", *check.detail]
    if report.count()[1]:
        task.failures += report.tail


def crash_replay(task):
    """Cuts and kills with other seeds than those of `make test`."""
    ways = [*crash.SHARE, None]
    counted = [0]

    def one(first, _count):
        seed, way = 100 + first // len(ways), ways[first % len(ways)]
        report = Report(f"seed {seed}, {way or 'kills'}")
        if way is None:
            crash.kill_job(report, task.build, crash.KILLS, seed)
        else:
            counted[0] += crash.replay_job(report, task.build, *way, seed=seed)
        take(task, report)
    count_up(task, CRASH_SEEDS * len(ways), 1, "runs", one)
    task.figures += f", {counted[0]} disks after cuts"


def exercise(task):
    def seed(first, _count):
        disk_image = os.path.join(task.work, "exerciser.img")
        done = run([os.path.join(ROOT, "quire"), "run", "--append", "audit", "--memory", "16M",
                    "--disk", disk_image, os.path.join(task.build, "user/tests/exerciser.exe"),
                    str(EXERCISE), str(first)], EXERCISE_LIMIT, env=quire_environment(task))
        if expect(task, done, f"exerciser {EXERCISE} {first}"):
            report = Report(f"exerciser {EXERCISE} {first}")
            user.check_disk(report, disk_image)
            take(task, report)
        os.unlink(disk_image)
    count_up(task, EXERCISES, 1, f"times {EXERCISE} operations", seed)


def exercise_wine(task):
    """The same operations where another's code is the file system: the model is judged."""
    wine = user.Wine()
    with wine.lock:
        problem = wine.set_up()
    if problem:
        task.failures.append(f"Wine: {problem}")

    def seed(first, _count):
        with tempfile.TemporaryDirectory(dir=task.work) as place:
            done = run([wine.tool, os.path.join(task.build, "user/tests/exerciser.exe"),
                        str(EXERCISE), str(first)], EXERCISE_LIMIT, cwd=place)
        if expect(task, done, f"exerciser {EXERCISE} {first} under Wine"):
            report = Report(f"exerciser {EXERCISE} {first} under Wine")
            report.read_tap(done.text())
            take(task, report)
    count_up(task, EXERCISES, 1, f"times {EXERCISE} operations", seed)


def again(task):
    """The jobs of `make test` that run on Quire, in rounds."""
    jobs = [*kernel.jobs(task.build, task.work), *disk.jobs(task.build, task.work)]
    jobs = [(job.name, job.function) for job in jobs]
    jobs += [(program.name, lambda report, program=program:
              user.run_quire(report, program, task.build, task.work))
             for program in user.programs(task.build, task.work)]
    in_rounds(task, jobs, ROUNDS, "runs")


def in_rounds(task, jobs, rounds, what):
    """Performs JOBS, pairs of name and function, that many times."""
    total = 0

    def one(first, _count):
        nonlocal total
        name, function = jobs[(first - 1) % len(jobs)]
        report = Report(name)
        function(report)
        total += report.count()[0]
        take(task, report)
    count_up(task, rounds * len(jobs), 1, what, one)
    task.figures += f", {total} checks"


def real_clients(task):
    in_rounds(task, [(job.name, job.function) for job in clients.jobs(task.build, task.work)], 1,
              "tests with real programs")


PARTS = (
    Part("paging, large", PAGING_LARGE[0][1], paging(PAGING_LARGE)),
    Part("simulation, first half", 620, simulate(0)),
    Part("simulation, second half", 620, simulate(SEEDS // 2)),
    Part("small worlds", WORLDS[0][1], worlds),
    Part("paging, small", PAGING_SMALL[0][1], paging(PAGING_SMALL)),
    Part("power cuts", 350, cuts),
    Part("policy", 280, policy),
    Part("failures: allocations", 480, failures("allocations")),
    Part("failures: charges", 480, failures("charges")),
    Part("failures: disk requests", 1270, failures("disk requests")),
    Part("failures: system calls", 30, sweep),
    Part("exerciser", 500, exercise),
    Part("exerciser under Wine", 120, exercise_wine),
    Part("crash replay", 480, crash_replay),
    Part("real clients", 320, real_clients),
    Part("tests on Quire, repeated", 350, again),
)
