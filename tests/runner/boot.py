"""The GRUB image on machines large, small and wrong: each must say the right thing."""
import os

from .job import Job
from .process import ROOT, Console, machine, run

LIMIT = 60  # seconds until the line that is waited for
PROMPT = r"C:\\[^\r\n]*>"  # of the shell
# The demo's middle and its last act.
DEMO = (r"different addresses: yes; the same frame: yes", r"the counter is 0, \S+ is gone")

# name, memory, processor, with a disk, what must be seen in that order, whether the shell comes
MACHINES = (
    ("-cpu max", "64M", "max", True, DEMO, True),
    ("-cpu qemu32", "64M", "qemu32", True, DEMO, True),
    ("16 MiB", "16M", "max", True, DEMO, True),
    ("6 GiB", "6G", "max", True, DEMO, True),
    ("no disk", "64M", "max", False, [r"quire: no disk found[^\r\n]*"], False),
    ("-cpu 486", "64M", "486", True, [r"quire: Quire needs a CPU with PAE[^\r\n]*"], False),
    ("too little memory", "8M", "max", True,
     [r"quire: Quire needs at least 16 MiB[^\r\n]*"], False),
)


def jobs(build, _work):
    for name, memory, cpu, disk, patterns, shell in MACHINES:
        options = machine.base_options(memory, cpu)
        options += machine.iso_options(os.path.join(build, "quire.iso"))
        if disk:
            options += machine.disk_options(os.path.join(build, "disk.img"), snapshot=True)
        yield Job(f"boot: GRUB, {name}",
                  lambda report, options=options, patterns=patterns, shell=shell:
                  job(report, options, patterns, shell))
    yield Job("boot: a script for the shell", lambda report: script(report, build))


def job(report, options, patterns, shell):
    with Console(options) as console:
        seen = 0
        for pattern in patterns:
            match = console.expect(pattern, LIMIT, seen)
            if not report.add(match is not None, f"prints {pattern}"):
                report.tail = console.tail(30)
                return
            seen = match.end()
        if shell:
            use_shell(report, console, seen)
        else:
            status = console.ended(10)
            report.add(status is not None, "the machine stops")
        report.tail = console.tail()


def use_shell(report, console, seen):
    """The shell answers, and powers the machine off."""
    match = console.expect(PROMPT, LIMIT, seen)
    if not report.add(match is not None, "the shell comes"):
        return
    console.type("help\r")
    answer = console.expect(r"switches the machine off", 20, match.end())
    report.add(answer is not None, "it answers to help")
    prompt = console.expect(PROMPT, 20, answer.end() if answer else match.end())
    report.add(prompt is not None, "and asks again")
    console.type("exit\r")
    status = console.ended(20)
    report.add(status == machine.qemu_status(0) or status == 0, "exit powers the machine off",
               f"QEMU ended with {status}")


def script(report, build):
    """Standard input that is no terminal: every line arrives, its end ends the shell."""
    done = run([os.path.join(ROOT, "tools/run"), "--build", build], LIMIT,
               input=b"echo the first line\ncd C:\\nowhere\necho the last")
    report.add(done.status == 0 and not done.timed_out, "ends with 0", f"exit code {done.status}",
               *done.text().splitlines()[-10:])
    lines = [line.strip() for line in done.text().splitlines()]
    for line in ("the first line", r"C:\nowhere: no such directory", "the last"):
        report.add(line in lines, f"prints {line}", *lines[-10:])
