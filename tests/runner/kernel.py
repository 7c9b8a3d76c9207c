"""The self-tests inside the debug kernel, on several machines."""
import os
import subprocess
import time

from .job import Job
from .process import machine

LIMIT = 150  # seconds
TAIL_LINES = 12

# name, memory, processor, words for the kernel
MACHINES = (
    ("128 MiB, -cpu max", "128M", "max", "selftest"),
    ("128 MiB, -cpu qemu32 (no NX)", "128M", "qemu32", "selftest"),
    ("16 MiB, -cpu max", "16M", "max", "selftest"),
    ("6 GiB, -cpu max", "6G", "max", "selftest"),
)


def jobs(build, work):
    for number, (name, memory, cpu, words) in enumerate(MACHINES):
        log = os.path.join(work, f"selftest{number}.log")
        options = machine.base_options(memory, cpu)
        options += machine.kernel_options(os.path.join(build, "debug/quire.elf"), words)
        options += machine.disk_options(os.path.join(build, "disk.img"), snapshot=True)
        options += machine.log_options(log)
        yield Job(f"kernel: self-tests, {name}",
                  lambda report, options=options, log=log: job(report, options, log))


def job(report, options, log):
    qemu = machine.start(options, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + LIMIT
    try:
        while qemu.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        timed_out = qemu.poll() is None
    finally:
        machine.stop(qemu)
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read().partition(machine.PANIC_REPEATS)[0]
    report.read_tap(text, plan_required=not timed_out, explained_before=True)
    report.tail = machine.log_tail(log, TAIL_LINES)
    if timed_out:
        report.add(False, f"ended within {LIMIT} seconds")
    elif qemu.returncode not in (machine.qemu_status(0), machine.qemu_status(1)):
        report.add(False, f"the kernel stopped by itself (QEMU ended with {qemu.returncode})")
    elif qemu.returncode == machine.qemu_status(1) and not report.count()[1]:
        report.add(False, "the kernel reported failures")
