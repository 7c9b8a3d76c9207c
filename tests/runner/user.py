"""The Win32 tests: each program under Wine, the independent judge, and on Quire's debug kernel.

Both must pass, and make the same checks. A program in nasm uses Quire's own system calls and runs
there alone. When a program has ended by itself, e2fsck looks at the disk that it leaves. A
program's source may say, in a line of its first comment,
    time limit: 120 s           instead of LIMIT
    run with: --memory 256M     more options for ./quire run
"""
import os
import re
import shutil
import subprocess
import sys
import threading

from .job import Job
from .process import ROOT, images, machine, run

LIMIT = 60  # seconds
SETUP_LIMIT = 420  # seconds for installing Wine
SOURCES = os.path.join(ROOT, "tests/user")


class Wine:
    """Wine, installed on first use. One program at a time: they would share their named objects."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tool = os.path.join(ROOT, "tools/wine32")
        self.tried = False
        self.problem = None

    def set_up(self):
        """Why there is no Wine, or None. Call with the lock held."""
        if not self.tried:
            self.tried = True
            done = run([self.tool, "--setup"], SETUP_LIMIT)
            if done.timed_out:
                self.problem = f"installing Wine took more than {SETUP_LIMIT} seconds"
            elif done.status:
                lines = done.error_text().strip().splitlines()
                self.problem = lines[-1] if lines else "installing Wine failed"
        return self.problem


class Program:
    def __init__(self, name, stage):
        self.name = name
        self.stage = stage
        self.executable = os.path.join(stage, name + ".exe")
        self.is_native = not os.path.exists(os.path.join(SOURCES, name + ".c"))
        source = os.path.join(SOURCES, name + (".asm" if self.is_native else ".c"))
        head = ""
        if os.path.exists(source):
            with open(source, encoding="utf-8") as file:
                head = file.read(4000)
        limit = re.search(r"time limit: (\d+)", head)
        self.limit = int(limit[1]) if limit else LIMIT
        options = re.search(r"run with: (.*)", head)
        self.options = options[1].rstrip(" */").split() if options else []


def programs(build, work):
    """The programs that are built, with what they read, in a directory below WORK."""
    built = os.path.join(build, "user/tests")
    if not os.path.isdir(built):
        return
    stage = os.path.join(work, "user")
    os.mkdir(stage)
    names = sorted(os.listdir(built))
    for name in names:
        if name.endswith((".exe", ".dll")):
            shutil.copy(os.path.join(built, name), stage)
    data = os.path.join(SOURCES, "data.py")
    if os.path.exists(data):
        subprocess.run([sys.executable, data, stage], check=True)
    for name in names:
        if name.endswith(".exe"):
            yield Program(name[:-4], stage)


def jobs(build, work):
    wine = Wine()
    for program in programs(build, work):
        yield Job(f"user: {program.name}",
                  lambda report, program=program: job(report, program, build, work, wine))


def job(report, program, build, work, wine):
    under_wine = None if program.is_native else run_wine(report, program, wine)
    on_quire = run_quire(report, program, build, work)
    if under_wine and on_quire:
        compare(report, under_wine, on_quire)


def judge(report, system, program, done):
    """Adds the checks of one run, named after SYSTEM; their names, or None when it went wrong."""
    first = len(report.checks)
    if program.is_native and "1.." not in done.text():
        report.add(done.status == 0, f"{program.name} ends with 0", f"exit code {done.status}")
    else:
        report.read_tap(done.text(), plan_required=not done.timed_out)
    if done.timed_out or (system == "Quire" and done.status == 124):
        report.add(False, f"ended within {program.limit} seconds")
    elif done.status and all(check.passed for check in report.checks[first:]):
        report.add(False, f"exit code {done.status}")
    names = [check.name for check in report.checks[first:]]
    for check in report.checks[first:]:
        check.name = f"{system}: {check.name}"
    if all(check.passed for check in report.checks[first:]):
        return names
    report.tail += [f"[{system}] {line}" for line in
                    done.text().splitlines()[-6:] + done.error_text().splitlines()[-20:]]
    return None


def run_wine(report, program, wine):
    with wine.lock:
        problem = wine.set_up()
        if problem:
            if os.environ.get("CI") == "true":
                report.add(False, f"Wine: {problem}")
            else:
                report.skip("Wine: all of it", problem)
            return None
        done = run([wine.tool, program.executable], program.limit, cwd=program.stage)
    return judge(report, "Wine", program, done)


def run_quire(report, program, build, work):
    log = os.path.join(work, f"user-{program.name}.log")
    put = []
    for name in sorted(os.listdir(program.stage)):
        if not name.endswith(".exe"):
            put += ["--put", os.path.join(program.stage, name)]
    environment = dict(os.environ, QUIRE_BUILD=build, TMPDIR=work,
                       QUIRE_KERNEL=os.path.join(build, "debug/quire.elf"))
    disk = os.path.join(work, f"user-{program.name}.img")
    done = run([os.path.join(ROOT, "quire"), "run", "--append", "audit", "--disk", disk,
                "--timeout", str(program.limit), "--log", log, *put, *program.options,
                program.executable], program.limit + 15, env=environment)
    names = judge(report, "Quire", program, done)
    if names is not None:
        check_disk(report, disk)
    if os.path.exists(disk):
        os.remove(disk)
    if names is None:
        report.tail += [f"[log] {line}" for line in machine.log_tail(log)]
    return names


def check_disk(report, image):
    """A program that ended by itself leaves a file system without a fault."""
    done = images.host_tool(["e2fsck", "-fn", image])
    report.add(done.returncode == 0, "Quire: e2fsck finds nothing on the disk",
               *done.stdout.splitlines()[-8:])


def compare(report, under_wine, on_quire):
    """The same checks on both systems, in whatever order children print theirs."""
    if sorted(under_wine) == sorted(on_quire):
        return
    only_wine = [name for name in under_wine if name not in on_quire]
    only_quire = [name for name in on_quire if name not in under_wine]
    report.add(False, "both systems make the same checks",
               *[f"only under Wine: {name}" for name in only_wine[:5]],
               *[f"only on Quire: {name}" for name in only_quire[:5]])
