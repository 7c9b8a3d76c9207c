"""The machine that Quire runs in: QEMU's command line, the channel, the kernel's log.

Shared by the launcher (./quire), the test runner and the tools beside this file. Nothing but
Python's standard library.
"""
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QEMU = "qemu-system-i386"

# What machine_stop(code) makes of the isa-debug-exit device: QEMU's exit status.
def qemu_status(code):
    return (code << 1) | 1


class Failure(Exception):
    """Something that keeps Quire from running; the text is for the user."""


# ---- QEMU's options ------------------------------------------------------------------------------

def escape(path):
    """PATH inside a comma-separated option of QEMU."""
    return path.replace(",", ",,")


def base_options(memory="64M", cpu="max", icount=False):
    options = ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
               "-m", memory, "-cpu", cpu, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    if icount:
        options += ["-icount", "shift=0,sleep=off"]
    return options


def kernel_options(kernel, words):
    return ["-kernel", kernel, "-append", words]


def iso_options(iso):
    return ["-drive", f"if=none,id=cd,media=cdrom,format=raw,readonly=on,file={escape(iso)}",
            "-device", "ide-cd,drive=cd,bootindex=0", "-vga", "std"]


def disk_options(image, snapshot=False, kept=False, name="disk"):
    """A disk: the first is C:, the second D:. KEPT ones are flushed when the guest flushes."""
    keep = "snapshot=on" if snapshot else "cache=writeback" if kept else "cache=unsafe"
    return ["-drive", f"if=none,id={name},format=raw,{keep},file={escape(image)}",
            "-device", f"virtio-blk-pci,drive={name},disable-legacy=on"]


def log_options(path):
    return ["-chardev", f"file,id=log,path={escape(path)}", "-serial", "chardev:log"]


def channel_options(descriptor):
    """The launcher's channel: one virtio-console port on a socket that QEMU inherits."""
    return ["-device", "virtio-serial-pci,disable-legacy=on,max_ports=1",
            "-chardev", f"socket,id=channel,fd={descriptor}",
            "-device", "virtconsole,chardev=channel"]


def monitor_options(path):
    return ["-qmp", f"unix:{escape(path)},server=on,wait=off"]


class Monitor:
    """QEMU's monitor (QMP) on the socket at PATH, which QEMU makes when it starts."""

    def __init__(self, path, seconds=5):
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.settimeout(seconds)
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.connection.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.stream = self.connection.makefile("rw", encoding="utf-8")
        self.stream.readline()  # the greeting
        self.ask("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.connection.close()

    def ask(self, command, arguments=None):
        """What COMMAND returns."""
        self.stream.write(json.dumps({"execute": command, "arguments": arguments or {}}) + "\n")
        self.stream.flush()
        for line in self.stream:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                break
        raise Failure(f"QEMU's monitor does not answer {command}")


def interrupt(path, seconds=3):
    """Sends the machine an NMI through its monitor at PATH: the kernel stops and says who waits for
    what. Returns when it has, or after some seconds."""
    try:
        with Monitor(path, seconds) as monitor:
            monitor.ask("inject-nmi")
            while monitor.stream.readline():  # until QEMU has ended
                pass
    except (OSError, Failure, ValueError):
        pass


def start(options, pass_fds=(), **streams):
    """Starts QEMU; it dies with this process, however that ends."""
    libc = ctypes.CDLL(None)
    death_signal = 1  # PR_SET_PDEATHSIG

    def child():
        libc.prctl(death_signal, signal.SIGKILL)
        os.setpgid(0, 0)  # a Ctrl-C in the terminal is for the starter alone

    if shutil.which(QEMU) is None:
        raise Failure(f"{QEMU} is not installed; 'make' installs what is missing")
    return subprocess.Popen([QEMU] + options, pass_fds=pass_fds, preexec_fn=child, **streams)


def stop(process):
    if process.poll() is None:
        process.kill()
    process.wait()


# ---- the log -------------------------------------------------------------------------------------

PANIC = "quire: panic:"
PANIC_REPEATS = "quire: the last lines of the log were:"  # what stands above, once more


def log_tail(path, lines=12):
    """The last lines of the kernel's log that say anything; of a panic all but what it repeats."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.path.getsize(path) - 65536))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    return last_lines(text, lines)


def last_lines(text, lines):
    said = [line for line in map(clean, text.partition(PANIC_REPEATS)[0].splitlines()) if line]
    panics = [number for number, line in enumerate(said) if line.startswith(PANIC)]
    return said[max(0, panics[0] - lines // 2):] if panics else said[-lines:]


def clean(line):
    """LINE without what the BIOS and GRUB send to move a terminal's cursor."""
    line = re.sub(r"\x1b[\[(][0-9;?=]*[A-Za-z]?|\x1bc", "", line)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", line).rstrip()


# ---- the channel ---------------------------------------------------------------------------------

# Frames of the virtio-console channel: u8 kind, u8 zero, u16 length, then the bytes.
FRAME = struct.Struct("<BBH")
(FRAME_INPUT, FRAME_OUTPUT, FRAME_ERROR, FRAME_EXIT, FRAME_FAILED, FRAME_WANT_INPUT,
 FRAME_TAKEN, FRAME_TRACE) = range(8)
INPUT_BYTES = 4096  # of one frame at most


def socket_pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


class FrameReader:
    """Cuts what arrives on the channel into frames."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        offset = 0
        while len(self.buffer) - offset >= FRAME.size:
            kind, zero, length = FRAME.unpack_from(self.buffer, offset)
            if zero or not FRAME_OUTPUT <= kind <= FRAME_TRACE:
                raise Failure(f"the kernel sent garbage on the channel (kind {kind})")
            if len(self.buffer) - offset < FRAME.size + length:
                break
            offset += FRAME.size
            yield kind, bytes(self.buffer[offset:offset + length])
            offset += length
        del self.buffer[:offset]


def frame(kind, data):
    return FRAME.pack(kind, 0, len(data)) + data
