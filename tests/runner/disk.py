"""A disk with bad sectors, below the paging file and below files: QEMU's blkdebug answers for them
with errors."""
import json
import os
import subprocess

from .job import Job
from .process import frames, images, machine

LIMIT = 120  # seconds
MEMORY = "16M"
PAGEFILE = 64 << 20
AROUND = 64 << 10  # what is read around a block that is the file system's own

# name, what fails there, bytes from one bad sector to the next, the program's arguments, its checks
PAGEFILE_CASES = (
    ("sectors that cannot be read", "read", 1 << 20, "errors 20", 4),
    ("sectors that cannot be written", "write", 1 << 20, "rewrite 32", 0),
)
FILE_PAGES = 64
BAD_PAGES = (3, 20, 50)
# name, what fails there, whether only once, what is stored in the end
FILE_CASES = (("that cannot be read", "read", False, False),
              ("whose writing fails once", "write", True, True),
              ("that cannot be written", "write", False, False))


def jobs(build, work):
    for number, (name, *case) in enumerate(PAGEFILE_CASES):
        yield Job(f"disk: paging file, {name}",
                  lambda report, files=os.path.join(work, f"bad{number}"), case=case:
                  pagefile_job(report, build, files, *case))
    for number, (name, *case) in enumerate(FILE_CASES):
        yield Job(f"disk: a file with blocks {name}",
                  lambda report, files=os.path.join(work, f"badfile{number}"), case=case:
                  file_job(report, build, files, *case))


def bad_disk(image, operation, offsets, once=False):
    """QEMU's options for a disk whose sectors at OFFSETS fail."""
    rules = [{"event": "none", "iotype": operation, "errno": 5, "sector": offset // 512,
              "once": once, "immediately": False} for offset in offsets]
    disk = {"driver": "raw", "node-name": "disk",
            "file": {"driver": "blkdebug", "inject-error": rules,
                     "image": {"driver": "file", "filename": image}}}
    return ["-blockdev", json.dumps(disk), "-device",
            "virtio-blk-pci,drive=disk,disable-legacy=on,rerror=report,werror=report"]


def perform(report, build, log, disk, words, checks, limit=LIMIT):
    """Runs C:\\ WORDS with this disk; the checks that are the same for all. A machine that hangs is
    made to say who waits for what."""
    ours, theirs = machine.socket_pair()
    monitor = log + ".monitor"
    options = machine.base_options(MEMORY, icount=True) + disk + machine.monitor_options(monitor)
    options += machine.log_options(log) + machine.channel_options(theirs.fileno())
    options += machine.kernel_options(os.path.join(build, "debug/quire.elf"),
                                      f"console=channel audit -- C:\\{words}")
    with ours:
        with theirs:
            qemu = machine.start(options, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            text, code = listen(ours, limit)
            qemu.wait(1 if code is None else 10)
        except subprocess.TimeoutExpired:
            code = None
            machine.interrupt(monitor)
        finally:
            machine.stop(qemu)
    report.tail = machine.log_tail(log)
    if not report.add(code is not None, f"ended within {limit} seconds"):
        return
    if checks:
        report.read_tap(text, plan_required=True)
    report.add(code == 0, "the program ends with 0", f"0x{code:08X}")
    with open(log, encoding="utf-8", errors="replace") as file:
        report.add("audit: 0 violations" in file.read(), "the audit finds no violation")


def listen(channel, limit):
    """What the program prints, and its exit code; None when it does not end in time."""
    said, code = b"", None
    for kind, body in frames(channel, limit):
        if kind == machine.FRAME_OUTPUT:
            said += body
        elif kind == machine.FRAME_EXIT:
            code = int.from_bytes(body, "little")
    return said.decode("utf-8", "replace"), code


def pagefile_job(report, build, files, operation, every, arguments, checks):
    image, log = files + ".img", files + ".log"
    images.copy_sparse(os.path.join(build, "disk.img"), image)
    images.put_files(image, [(os.path.join(build, "launcher/paged.exe"), "paged.exe")])
    images.put_pagefile(image, PAGEFILE)
    bad = [offset for begin, nbytes in images.file_extents(image, images.PAGEFILE)
           for offset in range(begin + AROUND, begin + nbytes - AROUND, every)]
    perform(report, build, log, bad_disk(image, operation, bad), f"paged.exe {arguments} {len(bad)}",
            checks)
    os.unlink(image)


def file_job(report, build, files, operation, once, is_stored):
    image, log, source = (files + suffix for suffix in (".img", ".log", ".dat"))
    pages = [bytes([page + 1]) * 4096 for page in range(FILE_PAGES)]  # a page of zeroes has no block
    with open(source, "wb") as file:
        file.write(b"".join(pages))
    images.copy_sparse(os.path.join(build, "disk.img"), image)
    images.put_files(image, [(os.path.join(build, "launcher/faulty.exe"), "faulty.exe"),
                             (source, "faulty.dat")])
    places = [offset + at for offset, nbytes in images.file_extents(image, "faulty.dat")
              for at in range(0, nbytes, 4096)]
    role = "read" if operation == "read" else "once" if once else "never"
    perform(report, build, log,
            bad_disk(image, operation, [places[page] for page in BAD_PAGES], once),
            f"faulty.exe {role} faulty.dat {' '.join(map(str, BAD_PAGES))}", 1)
    for page in BAD_PAGES if is_stored else ():
        pages[page] = bytes([(page + 1) | 0x80]) * 4096
    images.get_file(image, "faulty.dat", source)
    with open(source, "rb") as file:
        report.add(file.read() == b"".join(pages), "the disk holds what could be written")
    checked = images.host_tool(["e2fsck", "-fn", image])
    report.add(checked.returncode == 0, "e2fsck finds nothing", *checked.stdout.splitlines()[-8:])
    os.unlink(image)
    os.unlink(source)
