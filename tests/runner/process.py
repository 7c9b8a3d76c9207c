"""Running something under a time limit, and QEMU with its serial line in hand."""
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import images  # noqa: E402
import machine  # noqa: E402


class Result:
    def __init__(self, status, output, errors, timed_out, seconds):
        self.status = status
        self.output = output  # bytes
        self.errors = errors  # bytes
        self.timed_out = timed_out
        self.seconds = seconds

    def text(self):
        return self.output.decode("utf-8", "replace")

    def error_text(self):
        return self.errors.decode("utf-8", "replace")


class Stopped(Exception):
    """The whole run is being ended."""


class Running:
    """What runs now; so that nothing is left behind when the run of tests is interrupted."""

    def __init__(self):
        self.lock = threading.Lock()
        self.processes = set()
        self.over = False

    def start(self, command, options):
        with self.lock:
            if self.over:
                raise Stopped()
            options.setdefault("stdin", subprocess.DEVNULL)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True,
                                       **options)
            self.processes.add(process)
            return process

    def ended(self, process):
        with self.lock:
            self.processes.discard(process)
            if self.over:
                raise Stopped()

    def stop(self):
        with self.lock:
            self.over = True
            processes = list(self.processes)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in processes:
                if process.poll() is None:
                    signal_group(process, number)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and any(p.poll() is None for p in processes):
                time.sleep(0.05)


RUNNING = Running()
PATIENCE = 3  # seconds that an ended process may take to clean up


def stop_all():
    """Ends everything that run() and follow() have started; they raise Stopped in their threads."""
    RUNNING.stop()


def run(command, limit, **options):
    """Runs COMMAND; kills it and all it started after LIMIT seconds."""
    begin = time.monotonic()
    data = options.pop("input", None)
    if data is not None:
        options["stdin"] = subprocess.PIPE
    process = RUNNING.start(command, dict(options, stderr=subprocess.PIPE))
    timed_out = False
    try:
        output, errors = process.communicate(data, timeout=limit)
    except subprocess.TimeoutExpired:
        timed_out = True
        kill_group(process)
        output, errors = process.communicate()
    except BaseException:
        kill_group(process)
        raise
    finally:
        RUNNING.ended(process)
    return Result(process.returncode, output, errors, timed_out, time.monotonic() - begin)


def follow(command, limit, say, stall=None, on_stall=None, **options):
    """
    Like run(), with errors among the output, and gives SAY each line as it comes. When none has come
    for STALL seconds it calls ON_STALL, once, so that whoever hangs can say why.
    """
    begin = time.monotonic()
    process = RUNNING.start(command, dict(options, stderr=subprocess.STDOUT))
    output, rest, timed_out, heard = b"", b"", False, begin
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                if now - begin > limit and not timed_out:
                    timed_out = True
                    kill_group(process)
                if stall is not None and now - heard > stall:
                    stall = None
                    on_stall()
                if not selector.select(1):
                    continue
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    break
                heard, output = now, output + data
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    say(line.decode("utf-8", "replace").rstrip())
        process.wait()
    except BaseException:
        kill_group(process)
        raise
    finally:
        process.stdout.close()
        RUNNING.ended(process)
    return Result(process.returncode, output, b"", timed_out, time.monotonic() - begin)


def signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def kill_group(process):
    """Ends a process that leads its own group: first so that it can clean up, then surely."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal_group(process, number)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            continue


def frames(channel, limit):
    """What the kernel sends on its channel, as pairs of kind and bytes, until the machine has ended
    or LIMIT seconds are over."""
    reader, deadline = machine.FrameReader(), time.monotonic() + limit
    try:
        while True:
            channel.settimeout(max(0.01, deadline - time.monotonic()))
            data = channel.recv(1 << 16)
            for kind, body in reader.feed(data):
                if kind == machine.FRAME_TAKEN:
                    channel.sendall(machine.frame(machine.FRAME_TAKEN, b""))
                else:
                    yield kind, body
            if not data:
                return
    except (TimeoutError, ConnectionError):
        return


class Console:
    """A machine whose serial line we read and type on."""

    def __init__(self, options, pass_fds=()):
        self.text = ""
        self.process = machine.start(
            options + ["-chardev", "stdio,id=log,signal=off", "-serial", "chardev:log"], pass_fds,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        machine.stop(self.process)
        self.process.stdin.close()
        self.process.stdout.close()

    def read(self, deadline):
        """Takes what has come; False when the time is over or the machine has ended."""
        if not self.selector.select(max(0, deadline - time.monotonic())):
            return False
        data = os.read(self.process.stdout.fileno(), 65536)
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def expect(self, pattern, limit, start=0):
        """Reads until PATTERN has come, after position START; the match, or None."""
        deadline = time.monotonic() + limit
        while True:
            match = re.compile(pattern).search(self.text, start)
            if match or not self.read(deadline):
                return match

    def type(self, text):
        """Types like a person: the serial line has no flow control."""
        for character in text:
            self.process.stdin.write(character.encode())
            self.process.stdin.flush()
            time.sleep(0.01)

    def ended(self, limit):
        """QEMU's exit status, or None when it still runs after LIMIT seconds."""
        deadline = time.monotonic() + limit
        while self.read(deadline):
            pass
        try:
            return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None

    def tail(self, lines=15):
        return machine.last_lines(self.text, lines)
