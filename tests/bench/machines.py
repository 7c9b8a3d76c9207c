"""Runs a program of tests/bench on its machine and answers what it asks about the disk."""
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import images  # noqa: E402
import machine  # noqa: E402

LIMIT = 900  # seconds for one run
QUESTION = "disk?"
FILES = ("first.dat", "second.dat")  # what files.c reads and writes
FILE_BYTES = 64 << 20


class Failed(Exception):
    """A run that came to nothing; the text says why."""


class Monitor:
    """QEMU's block statistics, over QMP."""

    def __init__(self, path, device):
        self.path = path
        self.device = device
        self.monitor = None

    def answer(self):
        """The line that the question is answered with."""
        if self.monitor is None:
            self.monitor = machine.Monitor(self.path, 10)
        stats = next(entry["stats"] for entry in self.monitor.ask("query-blockstats")
                     if entry.get("device") == self.device)
        names = ("rd_operations", "rd_bytes", "wr_operations", "wr_bytes")
        return " ".join(str(stats[name]) for name in names) + "\n"


def converse(process, monitor):
    """All that PROCESS prints but its questions, which are answered."""
    said, rest, end = [], b"", time.monotonic() + LIMIT
    while True:
        ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        if not ready:
            raise Failed(f"no end after {LIMIT} seconds")
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            return "\n".join([*said, rest.decode(errors="replace")])
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            if text == QUESTION:
                process.stdin.write(monitor.answer().encode())
                process.stdin.flush()
            else:
                said.append(text)


def run(command, monitor, environment=None):
    """What COMMAND prints; fails when its exit status is not 0 or 1 is said to be an error."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=errors, env=environment)
        try:
            said = converse(process, monitor)
            status = process.wait(timeout=60)
        except (Failed, machine.Failure, OSError) as failure:
            raise Failed(f"{failure}") from None
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait()
            process.stdin.close()
        errors.seek(0)
        if status:
            raise Failed(said + errors.read().decode(errors="replace"))
    return said


class Quire:
    """./quire run, with the programs of the build directory."""

    def __init__(self, build):
        self.build = build
        self.programs = os.path.join(build, "user/bench")

    def run(self, program, arguments=(), memory="768M", icount=True, put=(), more=()):
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            path = os.path.join(work, "qmp")
            command = [os.path.join(ROOT, "quire"), "run", "--memory", memory,
                       "--timeout", str(LIMIT), "--qmp", path, *more]
            command += ["--icount"] if icount else []
            for name in put:
                command += ["--put", os.path.join(self.programs, name)]
            command += [os.path.join(self.programs, program), *arguments]
            try:
                return run(command, Monitor(path, "disk"), dict(os.environ, QUIRE_BUILD=self.build))
            except Failed as failure:
                raise Failed(f"{program} {' '.join(arguments)}: {failure}") from None


def scratch():
    """A directory for a disk of some hundred MiB; goes with its block."""
    return tempfile.TemporaryDirectory(prefix="bench-")


def write_files(directory):
    """Makes the FILES in DIRECTORY: their paths."""
    paths = [os.path.join(directory, name) for name in FILES]
    for path in paths:
        with open(path, "wb") as file:
            for number in range(FILE_BYTES // 4096):
                file.write(number.to_bytes(8, "little") * 512)
    return paths


def file_disk(build, directory):
    """A copy of the system disk with the FILES on it, as `quire run --put` makes it: its path."""
    image = os.path.join(directory, "disk")
    try:
        images.copy_sparse(os.path.join(build, "disk.img"), image)
        images.put_files(image, list(zip(write_files(directory), FILES)))
    except (machine.Failure, OSError) as failure:
        raise Failed(f"{failure}") from None
    return image
