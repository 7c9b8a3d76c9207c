"""The tests of ./quire run: what goes in comes out, and nothing is left behind."""
import os
import random
import signal
import struct
import subprocess
import tempfile
import threading
import time

from .job import Job
from .process import ROOT, machine, run

LIMIT = 60  # seconds for any one run
HELLO_LIMIT = 2.0  # seconds, what a run of hello.exe may take

ARGUMENTS = ["plain", "two words", "", 'a "quoted" word', "back\\slash", "ends in\\", "ends in \\\\",
             '\\"', '\\\\"', "tab\there", "*.c", "what?", "--help", "--", "-", "%PATH%", "a=b",
             "^&|<>", "'single'", "x" * 1000]


class Launcher:
    """Runs ./quire with a temporary directory of its own, which must be empty afterwards."""

    def __init__(self, build, work):
        self.build = build
        self.temporary = tempfile.mkdtemp(dir=work)

    def environment(self, **more):
        return dict(os.environ, QUIRE_BUILD=self.build, TMPDIR=self.temporary, **more)

    def program(self, name):
        return os.path.join(self.build, "launcher", name + ".exe")

    def run(self, *words, data=b"", env=None):
        return run([os.path.join(ROOT, "quire"), "run", "--timeout", str(LIMIT), *words], LIMIT + 15,
                   env=env or self.environment(), input=data)

    def check_left_nothing(self, report):
        left = os.listdir(self.temporary)
        report.add(not left, "nothing is left behind", *left)


TESTS = []


def test(name):
    def note(function):
        TESTS.append((name, function))
        return function
    return note


def jobs(build, work):
    for name, function in TESTS:
        yield Job(f"launcher: {name}", lambda report, function=function:
                  perform(function, report, Launcher(build, work)))


def perform(function, report, launcher):
    function(report, launcher)
    launcher.check_left_nothing(report)


def expect(report, done, name, status, *more):
    """A check of an exit code, which shows what was said when it is another."""
    return report.add(done.status == status and not done.timed_out, name,
                      f"exit code {done.status}, expected {status}", *more,
                      *done.error_text().splitlines()[-12:])


@test("arguments arrive unchanged")
def arguments(report, launcher):
    done = launcher.run(launcher.program("arguments"), *ARGUMENTS)
    expect(report, done, "ends with 0", 0)
    got = [bytes.fromhex(line).decode() for line in done.text().splitlines()]
    for number, argument in enumerate(ARGUMENTS):
        have = got[number] if number < len(got) else None
        report.add(have == argument, f"argument {argument[:20]!r}", f"arrived as {have!r}"[:200])
    report.add(len(got) == len(ARGUMENTS), "as many as were given", f"{len(got)} arrived")


@test("standard streams are binary-clean")
def streams(report, launcher):
    data = random.Random(1).randbytes(1 << 20)
    done = launcher.run(launcher.program("copy"), data=data)
    expect(report, done, "ends with 0", 0)
    report.add(done.output == data, "1 MiB comes back unchanged",
               f"{len(done.output)} bytes came back")
    report.add(done.error_text().strip() == f"{len(data)} bytes",
               "standard error is apart from standard output", *done.error_text().splitlines()[-5:])
    done = launcher.run(launcher.program("copy"))
    expect(report, done, "no input at all is the end of input", 0)
    report.add(done.output == b"", "and nothing comes out")


@test("a reader that is slow loses nothing")
def slow_reader(report, launcher):
    quire = os.path.join(ROOT, "quire")
    done = run(["sh", "-c", f'"$0" run --timeout {LIMIT} "$1" | (sleep 2; cat)', quire,
                launcher.program("flood")], LIMIT + 15, env=launcher.environment(), input=b"")
    numbers = struct.unpack(f"<{len(done.output) // 4}I", done.output[:len(done.output) & ~3])
    wrong = next((i for i, number in enumerate(numbers) if number != i), len(numbers))
    report.add(wrong == 1 << 20 == len(numbers), "4 MiB arrive whole",
               f"{len(done.output)} bytes arrived, right up to byte {4 * wrong}",
               *done.error_text().splitlines()[-5:])


@test("exit codes")
def codes(report, launcher):
    for code, status in (("0", 0), ("1", 1), ("42", 42), ("255", 255), ("256", 1), ("0x1FF", 255),
                         ("0xC0000005", 5)):
        done = launcher.run(launcher.program("code"), code)
        expect(report, done, f"{code} gives {status}", status)
        shown = f"0x{int(code, 0):08X}" in done.error_text()
        report.add(shown == (int(code, 0) > 255), f"{code} is printed only when it is above 255",
                   *done.error_text().splitlines()[-5:])
    done = launcher.run(launcher.program("code"), "fault")
    expect(report, done, "a fault ends the program with its exception code", 5)
    report.add("0xC0000005" in done.error_text() and "0x00000010" in done.error_text(),
               "and says which and where", *done.error_text().splitlines()[-8:])


@test("a run that takes too long")
def timeout(report, launcher):
    done = launcher.run("--timeout", "4", launcher.program("code"), "hang")
    expect(report, done, "ends with 124", 124)
    report.add(done.error_text().startswith("quire: "), "says so", *done.error_text().splitlines())
    report.add(done.text().startswith("begins"), "what was printed before has arrived")


@test("what cannot be run")
def refusals(report, launcher):
    hello = launcher.program("hello")
    for words in (["--pagefile", "1G", hello], ["--get", "x", hello], ["--cpus", "2", hello],
                  ["--memory", "much", hello], ["--nonsense", hello], ["--timeout", "-1", hello],
                  ["--put", "/nonexistent", hello], ["/nonexistent.exe"], [],
                  ["--log", "/nonexistent/log", hello], ["--memory", "8M", hello],
                  ["--cpu", "nonsense", hello], ["--cpu", "486", hello]):
        done = launcher.run(*words)
        shown = " ".join(os.path.basename(word) for word in words) or "(nothing)"
        expect(report, done, f"{shown}: ends with 125", 125)
        report.add(any(line.startswith("quire: ") for line in done.error_text().splitlines()),
                   f"{shown}: says why", *done.error_text().splitlines()[-5:])
    done = launcher.run("--cpus", "1", "--help")
    report.add(done.status == 0 and "--memory" in done.text(), "--help shows the options")


@test("files that are put on the disk")
def put(report, launcher):
    source = os.path.join(launcher.temporary, "a file")
    with open(source, "wb") as file:
        file.write(b"its contents\n")
    done = launcher.run("--put", source, "--put", f"{source}=Other.txt",
                        "--put", f"{source}=dir\\deep\\x", launcher.program("files"),
                        "C:\\a file", "c:\\other.TXT", "dir/deep/x")
    expect(report, done, "the program finds them", 0, *done.text().splitlines())
    report.add(done.text().count("its contents") == 3, "with their contents")
    image = os.path.join(launcher.temporary, "image")
    for what in ("an image that does not exist is made", "and can be used again"):
        done = launcher.run("--disk", image, "--put", source, launcher.program("files"), "a file")
        expect(report, done, what, 0)
    checked = machine.host_tool(["e2fsck", "-fn", image])
    report.add(checked.returncode == 0, "its file system is sound", *checked.stdout.splitlines())
    os.unlink(source)
    os.unlink(image)


@test("two runs at once do not meet")
def together(report, launcher):
    results = {}

    def one(name):
        path = os.path.join(launcher.temporary, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(f"I am {name}\n")
        results[name] = launcher.run("--put", f"{path}=same.txt", launcher.program("files"),
                                     "same.txt")
        os.unlink(path)

    threads = [threading.Thread(target=one, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one", "two"):
        expect(report, results[name], f"run {name} ends with 0", 0)
        report.add(results[name].text().strip() == f"I am {name}", f"run {name} sees its own file",
                   results[name].text()[:200])


@test("a run that is interrupted")
def interrupted(report, launcher):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = subprocess.Popen(
            [os.path.join(ROOT, "quire"), "run", "--timeout", str(LIMIT), launcher.program("code"),
             "hang"], env=launcher.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True)
        process.stdout.read(6)
        process.send_signal(number)
        try:
            status = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdout.close()
        report.add(status == 128 + number, f"{signal.Signals(number).name} ends it",
                   f"exit code {status}")
    report.add(not left_over(launcher.temporary), "no QEMU is left over")


def left_over(text):
    """Processes that have TEXT on their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if text.encode() in file.read():
                    found.append(pid)
        except OSError:
            continue
    return found


@test("the speed of hello.exe")
def speed(report, launcher):
    times = []
    for _ in range(3):
        begin = time.monotonic()
        done = launcher.run(launcher.program("hello"))
        times.append(time.monotonic() - begin)
        if not expect(report, done, "hello.exe ends with 0", 0):
            return
        report.add(done.text().split() == ["Hello,", "world!"], "it says hello", done.text()[:200])
    report.add(min(times) < HELLO_LIMIT, f"takes under {HELLO_LIMIT:g} seconds, all in",
               f"the best of three runs took {min(times):.2f}")
