"""The commands of `make debug`: GDB on the debug kernel, while the demo's processes share."""
import os
import shutil

from .job import Job
from .process import ROOT, machine, run

LIMIT = 90  # seconds
SECTION = 'python name = hex(int(next(v["section"] for v in tree_nodes(process_of("demo.exe")' \
    '["space"].dereference()["vads"], "vad", "node") if int(v["first"]) == 0x600)))'

# A command, and what its answer must hold.
COMMANDS = (
    ("help quire", ["quire frame", "quire processes", "quire pte", "quire section", "quire vads"]),
    ("quire processes", ["shell.exe", "demo.exe", "1 threads"]),
    ("quire vads demo.exe", ["VAD_PRIVATE", "VAD_IMAGE EXECUTE_WRITECOPY", "chunks linked",
                             "VAD_SHARED_PAGE"]),
    ("quire pte 0x77f01000 demo.exe", ["pointer ", "directory ", "table ", "EXECUTE_READ",
                                       "FRAME_ACTIVE"]),
    ("quire pte 0x10 demo.exe", ["empty"]),
    ("quire frame 0x100", ["frame 0x100: FRAME_"]),
    ("quire frame 0xffffff", ["is none of this machine's"]),
    (SECTION, []),
    ('python gdb.execute("quire section " + name)',
     ["4194304 bytes", "SEGMENT_MEMORY", "MAPPER_LINKED at 0x00600000", "MAPPER_LINKED at 0x00800000"]),
    ("quire section 5", ["no section"]),
    ("quire vads nobody", ["no process nobody"]),
)


def jobs(build, work):
    yield Job("debugger: GDB's commands", lambda report: job(report, build, work))


def job(report, build, work):
    if shutil.which("gdb") is None:
        report.skip("GDB's commands", "gdb is not installed; 'make debug' installs it")
        return
    socket = os.path.join(work, "gdb")
    kernel = os.path.join(build, "debug/quire.elf")
    options = machine.base_options("64M") + machine.kernel_options(kernel, "console=serial")
    options += machine.disk_options(os.path.join(build, "disk.img"), snapshot=True)
    options += machine.log_options(os.path.join(work, "gdb.log"))
    options += ["-S", "-chardev", f"socket,id=gdb,path={machine.escape(socket)},server=on,wait=off",
                "-gdb", "chardev:gdb"]
    command = ["gdb", "-q", "-batch", kernel, "-x", "tools/gdb/quire.gdb"]
    # The first view that the demo unmaps: by then its two processes share a section.
    for line in (f"target remote {socket}", "break mm_unmap_view", "continue"):
        command += ["-ex", line]
    for number, (line, _) in enumerate(COMMANDS):
        command += ["-ex", f"echo \\n<{number}>\\n", "-ex", line]
    process = machine.start(options)
    try:
        done = run(command, LIMIT, cwd=ROOT)
    finally:
        machine.stop(process)
    check(report, done.text() + done.error_text(), done)


def check(report, text, done):
    report.add(not done.timed_out, "the breakpoint is reached", *text.splitlines()[-10:])
    for number, (line, wanted) in enumerate(COMMANDS):
        answer = text.partition(f"<{number}>\n")[2].partition("\n<")[0]
        missing = [word for word in wanted if word not in answer and word not in done.error_text()]
        report.add(not missing, line[:40], *(f"does not say {word}" for word in missing),
                   *answer.splitlines())
