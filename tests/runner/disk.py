"""A disk with bad sectors below the paging file: QEMU's blkdebug answers for them with errors."""
import json
import os
import subprocess
import time

from .job import Job
from .process import images, machine

LIMIT = 120  # seconds
MEMORY = "16M"
PAGEFILE = 64 << 20
AROUND = 64 << 10  # what is read around a block that is the file system's own

# name, what fails there, bytes from one bad sector to the next, the program's arguments, its checks
CASES = (
    ("sectors that cannot be read", "read", 1 << 20, "errors 20", 4),
    ("sectors that cannot be written", "write", 1 << 20, "fill 32", 0),
)


def jobs(build, work):
    for number, (name, operation, every, arguments, checks) in enumerate(CASES):
        yield Job(f"disk: paging file, {name}",
                  lambda report, files=os.path.join(work, f"bad{number}"), operation=operation,
                  every=every, arguments=arguments, checks=checks:
                  job(report, build, files, (operation, every), arguments, checks))


def bad_disk(image, operation, every):
    """QEMU's options for a disk of which sectors of the paging file fail."""
    bad = [offset // 512 for begin, nbytes in images.file_extents(image, images.PAGEFILE)
           for offset in range(begin + AROUND, begin + nbytes - AROUND, every)]
    rules = [{"event": "none", "iotype": operation, "errno": 5, "sector": sector, "once": False,
              "immediately": False} for sector in bad]
    disk = {"driver": "raw", "node-name": "disk",
            "file": {"driver": "blkdebug", "inject-error": rules,
                     "image": {"driver": "file", "filename": image}}}
    return ["-blockdev", json.dumps(disk), "-device",
            "virtio-blk-pci,drive=disk,disable-legacy=on,rerror=report,werror=report"]


def job(report, build, files, bad, arguments, checks):
    image, log = files + ".img", files + ".log"
    images.copy_sparse(os.path.join(build, "disk.img"), image)
    images.put_files(image, [(os.path.join(build, "launcher/paged.exe"), "paged.exe")])
    images.put_pagefile(image, PAGEFILE)
    ours, theirs = machine.socket_pair()
    options = machine.base_options(MEMORY, icount=True) + bad_disk(image, *bad)
    options += machine.log_options(log) + machine.channel_options(theirs.fileno())
    options += machine.kernel_options(os.path.join(build, "debug/quire.elf"),
                                      f"console=channel audit -- C:\\paged.exe {arguments}")
    with ours:
        with theirs:
            qemu = machine.start(options, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            text, code = listen(ours)
        finally:
            machine.stop(qemu)
    report.tail = machine.log_tail(log)
    os.unlink(image)
    if not report.add(code is not None, f"ended within {LIMIT} seconds"):
        return
    if checks:
        report.read_tap(text, plan_required=True)
    report.add(code == 0, "the program ends with 0", f"0x{code:08X}")
    with open(log, encoding="utf-8", errors="replace") as file:
        report.add("audit: 0 violations" in file.read(), "the audit finds no violation")


def listen(channel):
    """What the program prints, and its exit code; None when it does not end in time."""
    reader, said, code = machine.FrameReader(), b"", None
    deadline = time.monotonic() + LIMIT
    try:
        while True:
            channel.settimeout(max(0.01, deadline - time.monotonic()))
            data = channel.recv(1 << 16)
            for kind, body in reader.feed(data):
                if kind == machine.FRAME_OUTPUT:
                    said += body
                elif kind == machine.FRAME_EXIT:
                    code = int.from_bytes(body, "little")
                elif kind == machine.FRAME_TAKEN:
                    channel.sendall(machine.frame(machine.FRAME_TAKEN, b""))
            if not data:
                break
    except (TimeoutError, ConnectionError):
        pass
    return said.decode("utf-8", "replace"), code
