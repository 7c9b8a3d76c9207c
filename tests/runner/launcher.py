"""The tests of ./quire run: what goes in comes out, and nothing is left behind."""
import collections
import json
import os
import re
import random
import signal
import struct
import subprocess
import tempfile
import threading
import time

from .job import Job, collect
from .process import ROOT, images, machine, run

LIMIT = 60  # seconds for any one run
HELLO_LIMIT = 2.0  # seconds, what a run of hello.exe may take

PROGRAMS = "C:\\quire\\programs\\"
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


def check_sound(report, image):
    checked = images.host_tool(["e2fsck", "-fn", image])
    report.add(checked.returncode == 0, "its file system is sound", *checked.stdout.splitlines())


TESTS = []
test = collect(TESTS)


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
    report.add(re.search(r"thread code.exe +(running|waiting|ready)", done.error_text()) is not None,
               "says who waits for what", *done.error_text().splitlines())
    report.add(done.text().startswith("begins"), "what was printed before has arrived")


@test("what cannot be run")
def refusals(report, launcher):
    hello = launcher.program("hello")
    for words in (["--pagefile", "much", hello], ["--pagefile", "1K", hello],
                  ["--pagefile", "5G", hello], ["--pagefile", "-1", hello], ["--cpus", "2", hello],
                  ["--get", "x=/nonexistent/x", hello], ["--get", "x=/", hello],
                  ["--get", "..\\x", hello], ["--get", "", hello], ["--get", "D:\\x", hello],
                  ["--put", f"{hello}=D:\\x", hello], ["--put", f"{hello}=a?b", hello],
                  ["--put", f"{hello}=hello.exe\\x", hello], ["--put", f"{hello}=quire", hello],
                  ["--disk", "/dev/null", hello], ["--disk", "/nonexistent/x", hello],
                  ["--disk", hello, hello], ["--data", hello, hello], ["--data", "/", hello],
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
    check_sound(report, image)
    os.unlink(source)
    os.unlink(image)


def in_file(launcher, name, data=None):
    """A path of ours, with DATA in it; without, what is in it."""
    path = os.path.join(launcher.temporary, name)
    if data is None:
        if not os.path.exists(path):
            return None
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
        return data
    with open(path, "wb") as file:
        file.write(data)
    return path


@test("files that are fetched from the disk")
def get(report, launcher):
    data = random.Random(2).randbytes(5 << 20 | 1)
    source = in_file(launcher, "in.bin", data)
    out, other = (os.path.join(launcher.temporary, name) for name in ("out", "other"))
    done = launcher.run("--put", f"{source}=a dir\\Some File.bin",
                        "--put", f"{source}=quire\\SYSTEM\\x", "--get", f"A DIR\\some file.BIN={out}",
                        "--get", f"c:/Quire/System/X={other}", launcher.program("hello"))
    expect(report, done, "two files, whatever the case of their names", 0)
    report.add(in_file(launcher, "out") == data and in_file(launcher, "other") == data,
               "they hold what was put there")
    done = run([os.path.join(ROOT, "quire"), "run", "--get", "a\\In.Bin", "--put", f"{source}=a/In.Bin",
                launcher.program("code"), "7"], LIMIT, cwd=launcher.temporary,
               env=launcher.environment())
    expect(report, done, "the program's exit code stays", 7)
    report.add(in_file(launcher, "In.Bin") == data, "a file comes under its own name")
    for name, why in (("nothing", "there is no file nothing"), ("quire", "quire is no file"),
                      ("hello.exe\\x", "there is no file")):
        done = launcher.run("--get", f"{name}={out}", "--get", f"hello.exe={other}",
                            launcher.program("hello"))
        expect(report, done, f"--get {name}: ends with 125", 125)
        report.add(f"quire: --get: {why}" in done.error_text() and not os.path.exists(out),
                   f"--get {name}: says why", *done.error_text().splitlines())
        report.add(in_file(launcher, "other") is not None, "and fetches the others")
    os.unlink(source)


@test("a second disk")
def data_disk(report, launcher):
    source = in_file(launcher, "in.bin", b"on the second disk\n")
    image, out = (os.path.join(launcher.temporary, name) for name in ("image", "out"))
    done = launcher.run("--data", image, "--put", f"{source}=D:\\Dir\\a",
                        "--get", f"d:\\dir\\A={out}", launcher.program("hello"))
    expect(report, done, "an image that does not exist is made", 0)
    report.add(in_file(launcher, "out") == b"on the second disk\n", "files go there and come back")
    done = launcher.run("--data", image, "--put", f"{source}=d:dir/B", "--get", f"D:Dir\\a={out}",
                        launcher.program("hello"))
    expect(report, done, "it can be used again", 0)
    report.add(in_file(launcher, "out") is not None, "and keeps what it has")
    found = images.find(image, ["dir/b", "dir/a"])
    report.add(sorted(path for path, _ in found.values()) == ["Dir/B", "Dir/a"],
               "a directory is the same in any case", str(found.keys()))
    check_sound(report, image)
    os.unlink(source)
    os.unlink(image)


@test("files that programs write")
def written(report, launcher):
    data = random.Random(3).randbytes(3 << 20 | 5)
    source = in_file(launcher, "in.bin", data)
    out, disk, second = (os.path.join(launcher.temporary, name) for name in ("out", "disk", "data"))
    shell = PROGRAMS + "shell.exe"
    done = launcher.run("--put", source, "--get", f"made\\copy.bin={out}", shell,
                        data=b"md made\ncopy in.bin made\\copy.bin\n")
    if not expect(report, done, "a directory and a copy are made", 0, *done.text().splitlines()):
        return
    report.add(in_file(launcher, "out") == data, "the copy is fetched")
    done = launcher.run("--disk", disk, "--data", second, "--put", source, shell,
                        data=b"copy in.bin kept.bin\ncopy in.bin D:\\kept.bin\ndel in.bin\n")
    expect(report, done, "copies on two disks that are kept", 0, *done.text().splitlines())
    done = launcher.run("--disk", disk, "--get", f"KEPT.bin={out}", launcher.program("hello"))
    expect(report, done, "the first keeps its own", 0)
    report.add(in_file(launcher, "out") == data, "whole")
    done = launcher.run("--data", second, "--get", f"D:kept.bin={out}", shell,
                        data=b"copy D:\\kept.bin C:\\again\nren D:\\kept.bin Kept.Bin\n")
    expect(report, done, "the second keeps its own", 0, *done.text().splitlines())
    report.add(in_file(launcher, "out") == data, "whole")
    report.add(images.find(disk, ["in.bin"]) == {}, "what was deleted is gone")
    for image in (disk, second):
        checked = images.host_tool(["e2fsck", "-fn", image])
        report.add(checked.returncode == 0, "e2fsck finds nothing", *checked.stdout.splitlines())
        os.unlink(image)
    os.unlink(source)


@test("shutdown flushes mapped files")
def shutdown(report, launcher):
    """What was stored through a view and never flushed is on the disk when the machine is off."""
    wanted = bytearray(300 << 12)
    for page in range(300):
        wanted[(page << 12) + page] = page + 1 & 0xFF
    out = os.path.join(launcher.temporary, "out")
    for how in ("exit", "off"):
        disk = os.path.join(launcher.temporary, "disk")
        done = launcher.run("--disk", disk, "--get", f"stored.bin={out}",
                            launcher.program("mapped"), "stored.bin", how)
        expect(report, done, f"{how}: ends with 0", 0, *done.error_text().splitlines())
        report.add(in_file(launcher, "out") == wanted, f"{how}: every page is there")
        check_sound(report, disk)
        os.unlink(disk)


@test("an image that is in use, or was not unmounted")
def images_in_use(report, launcher):
    image = os.path.join(launcher.temporary, "image")
    images.copy_sparse(os.path.join(launcher.build, "disk.img"), image)
    with images.claim(image):
        for option in ("--disk", "--data"):
            done = launcher.run(option, image, launcher.program("hello"))
            expect(report, done, f"{option}: in use by another run: ends with 125", 125)
            report.add("is in use" in done.error_text(), "and says so", done.error_text())
    _, errors = images.debugfs(image, ["set_super_value state 0", "set_super_value free_blocks_count 1"],
                               writes=True)
    report.add(not errors, "an image is made unclean", *errors)
    done = launcher.run("--disk", image, launcher.program("hello"))
    expect(report, done, "it is repaired", 0)
    report.add("was not unmounted" in done.error_text(), "and it is said", done.error_text())
    done = launcher.run("--disk", image, launcher.program("hello"))
    report.add(done.status == 0 and done.error_text() == "", "once", done.error_text())
    check_sound(report, image)
    os.unlink(image)


@test("the size of the paging file")
def pagefile(report, launcher):
    paged = launcher.program("paged")
    limits = {}
    for size in ("0", "16M", "64M", "512M", "4G"):
        done = launcher.run("--pagefile", size, paged, "limit")
        expect(report, done, f"{size}: ends with 0", 0)
        words = done.text().split()
        limits[size] = int(words[0]) if words else 0
        report.add(words[1:] == ["2" if size == "0" else "32"],
                   f"{size}: opening it " + ("finds no file" if size == "0" else
                                             "is a sharing violation"), *done.text().splitlines())
    report.add(limits["64M"] - limits["16M"] == 48 << 10 and
               limits["512M"] - limits["64M"] == 448 << 10 and
               limits["4G"] - limits["512M"] == 3584 << 10 and limits["0"] < limits["16M"],
               "so much more can be committed", str(limits))
    done = launcher.run(paged, "limit")
    report.add(done.text().split()[:1] == [str(limits["64M"])], "it is 64M unless told otherwise",
               *done.text().splitlines())
    done = launcher.run("--memory", "16M", paged, "fill", "48")
    expect(report, done, "48 MiB of memory in 16 MiB of RAM", 0)
    image = os.path.join(launcher.temporary, "image")
    for size in ("8M", "80M"):
        done = launcher.run("--disk", image, "--pagefile", size, "--memory", "16M", paged, "limit")
        expect(report, done, f"--disk: a paging file of {size}", 0)
        extents = images.file_extents(image, images.PAGEFILE)
        report.add(sum(nbytes for _, nbytes in extents) == images.parse_size(size),
                   f"--disk: {size} are on the disk", str(extents))
    check_sound(report, image)
    done = launcher.run("--disk", image, "--pagefile", "0", "--memory", "16M",
                        os.path.join(launcher.build, "user/tests/newpagefile.exe"))
    expect(report, done, "a program makes one on a disk without", 0, *done.text().splitlines())
    check_sound(report, image)
    size = sum(nbytes for _, nbytes in images.file_extents(image, images.PAGEFILE))
    report.add(size >= 24 << 20, "which is on the disk, as large as it has grown", str(size))
    more = int(launcher.run("--disk", image, paged, "limit").text().split()[0])
    report.add(more - limits["0"] == size >> 10, "and is used from the next start on", str(more))
    os.unlink(image)


MEM_LINES = 25  # what mem prints at a time


def numbers_of(lines, word):
    """The numbers of the first line that begins with WORD, after it."""
    for line in lines:
        if line.strip().startswith(word):
            return [float(text) for text in line.strip()[len(word):].split() if
                    text.replace(".", "", 1).isdigit()]
    return []


@test("the release kernel's working sets")
def working_sets(report, launcher):
    """The way back to user mode is another there, and what the fault awaited is let go on it."""
    done = launcher.run("--memory", "16M",
                        os.path.join(launcher.build, "user/tests/lock.exe"))
    expect(report, done, "the tests of locked pages and of emptying pass", 0,
           *(line for line in done.text().splitlines() if not line.startswith("ok")))


@test("mem tells of the system's memory")
def mem_program(report, launcher):
    done = launcher.run("--memory", "32M", PROGRAMS + "mem.exe")
    lines = done.text().splitlines()
    expect(report, done, "mem ends with 0", 0, *lines)
    report.add(len(lines) == MEM_LINES and all(len(line) < 80 for line in lines),
               "it fits on a screen", *lines)
    total, free, zeroed, active, standby, modified, moving = (
        (numbers_of(lines, word) or [0])[0] for word in
        ("all", "free", "zeroed", "active", "standby", "modified", "in transition"))
    report.add(7000 < total <= 8192 and active > 100 and
               abs(total - (free + zeroed + active + standby + modified + moving)) <= 64,
               "the frames of 32 MiB, by state, are as many as there are", *lines)
    charge, limit, peak = ((numbers_of(lines, word) or [0])[0] for word in
                           ("commit charge", "its limit", "its peak"))
    report.add(0 < charge <= peak <= limit, "commit: charge, peak, limit", *lines)
    report.add((numbers_of(lines, "page faults") or [0])[0] > 20, "faults are counted", *lines)
    done = launcher.run(PROGRAMS + "mem.exe", "-w", "3")
    expect(report, done, "mem -w 3 ends with 0", 0)
    screens = done.text().split(f"\033[{MEM_LINES}A\r")
    report.add([screen.count("\n") for screen in screens] == [MEM_LINES] * 3,
               "it prints three screens, one over the other", done.text()[:200])
    idle = [float(screen.split(" % idle")[0].split()[-1]) for screen in screens]
    report.add(len(idle) == 3 and idle[2] > 50, "the machine is idle at last", f"idle: {idle}")
    done = launcher.run(PROGRAMS + "mem.exe", "-w", data=b"x\n")
    expect(report, done, "mem -w ends with a line of input", 0)
    for words in (["-x"], ["-w", "0"], ["-w", "many"], ["-w", "1", "2"]):
        done = launcher.run(PROGRAMS + "mem.exe", *words)
        expect(report, done, f"mem {' '.join(words)} is refused", 2)
        report.add("mem: " in done.error_text() and "usage:" in done.error_text(), "and says why",
                   *done.error_text().splitlines())


@test("memory that is told to be bad is left alone")
def bad_memory(report, launcher):
    log = os.path.join(launcher.temporary, "log")
    sane = launcher.run(PROGRAMS + "mem.exe").text().splitlines()
    done = launcher.run("--append", "audit badmem=0x2344800+0x1000,50331648+4096", "--log", log,
                        PROGRAMS + "mem.exe")
    lines = done.text().splitlines()
    expect(report, done, "mem ends with 0", 0, *lines)
    report.add(numbers_of(lines, "bad, not counted")[:1] == [3.0], "three frames are bad", *lines)
    report.add(numbers_of(lines, "all")[0] == numbers_of(sane, "all")[0] - 3,
               "as many fewer are there", *lines)
    with open(log, encoding="utf-8") as file:
        report.add("mm: 3 frames are bad and left alone" in file.read(), "the log says so")
    os.remove(log)
    for wrong in ("", "0x2344000", "4096+4096+4096", "12+0xg"):
        done = launcher.run("--append", f"badmem={wrong}", PROGRAMS + "mem.exe")
        expect(report, done, f"badmem={wrong} is refused", 125)
        report.add("badmem= wants ADDRESS+BYTES" in done.error_text(), "and it is said why",
                   *done.error_text().splitlines())
    done = launcher.run("--append", "badmem=0x500000+0x10000000", PROGRAMS + "mem.exe")
    expect(report, done, "a machine that has too little besides is refused", 125)
    report.add("needs at least 16 MiB of memory" in done.error_text(), "and it is said why",
               *done.error_text().splitlines())
    done = launcher.run("--append", "badmem=0x100800+1", PROGRAMS + "mem.exe")
    expect(report, done, "a machine whose kernel lies in it is refused", 125)
    report.add("put the kernel into memory that is bad" in done.error_text(), "and it is said why",
               *done.error_text().splitlines())


@test("vmmap tells of a process's memory")
def vmmap_program(report, launcher):
    shell = PROGRAMS + "shell.exe"
    done = launcher.run(shell, "/c", "vmmap")
    expect(report, done, "vmmap ends with 0", 0)
    listed = {line.split()[-1]: line.split()[0] for line in done.text().splitlines()
              if line.endswith(".exe")}
    report.add(set(listed) == {"shell.exe", "vmmap.exe"}, "it lists the processes",
               *done.text().splitlines())
    done = launcher.run(shell, "/c", "vmmap", listed.get("shell.exe", "0"))
    lines = done.text().splitlines()
    expect(report, done, "vmmap PID ends with 0", 0, *lines)
    regions = [line.split() for line in lines if line[:8].isalnum() and
               line[9:].startswith(("image", "private", "view"))]
    places = [int(region[0], 16) for region in regions]
    report.add(len(regions) > 20 and places == sorted(places), "its regions, by address", *lines)
    for name in ("shell.exe", "kernel32.dll", "ntdll.dll", "stack", "PEB"):
        report.add(any(region[-1] == name for region in regions), f"{name} is among them", *lines)
    sums = numbers_of(lines, "all")
    report.add(len(sums) == 7 and sums[0] >= sums[1] >= sums[2] >= sums[3] > 0,
               "the totals: size, committed, resident, shared", *lines)
    report.add(all(sum(numbers_of(lines[-6:], kind)[column] for kind in
                       ("image", "view", "private")) == total
                   for column, total in enumerate(sums)), "they are the sums of the kinds", *lines)
    for words, status, text in ((["9999"], 1, "there is no process 9999"),
                                (["abc"], 2, "'abc' is no process identifier"),
                                (["8", "9"], 2, "'9' is no process identifier")):
        done = launcher.run(PROGRAMS + "vmmap.exe", *words)
        expect(report, done, f"vmmap {' '.join(words)} is refused", status)
        report.add(text in done.error_text(), "and says why", *done.error_text().splitlines())


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


@test("a trace of paging")
def trace(report, launcher):
    image = os.path.join(launcher.temporary, "image")
    path = os.path.join(launcher.temporary, "trace.json")
    for _ in range(3):  # the ring overflows when a busy host keeps the launcher from reading
        images.copy_sparse(os.path.join(launcher.build, "disk.img"), image)
        images.put_pagefile(image, 64 << 20)
        done = launcher.run("--memory", "16M", "--disk", image, "--trace", path,
                            launcher.program("pages"), "32", "2")
        os.unlink(image)
        if "records" not in done.error_text():
            break
    expect(report, done, "the program ends with 0", 0, *done.text().splitlines())
    report.add(done.error_text() == "", "nothing is lost", *done.error_text().splitlines()[-5:])
    try:
        with open(path, encoding="ascii") as file:
            data = json.load(file)
    except (OSError, ValueError) as error:
        report.add(False, "the trace is valid JSON", str(error))
        return
    check_replay(report, launcher, path)
    os.unlink(path)
    report.add(data["otherData"]["whole"] == "yes", "the trace is whole", str(data["otherData"]))
    check_trace(report, [event for event in data["traceEvents"] if event["ph"] != "M"],
                [event for event in data["traceEvents"] if event["ph"] == "M"], (16 << 20) >> 12)


def check_trace(report, events, names, nframes):
    """What the trace of a run of pages.exe over 32 MiB must be like, on NFRAMES of RAM."""
    pages = 32 << 8
    least = 2 * (pages - nframes)  # each of two rounds brings back at least what found no room
    count = collections.Counter(event["name"] for event in events if event["ph"] != "e")
    for name, lowest in (("fault", pages // 2), ("page-in", 100), ("trim", least),
                         ("write", (pages - nframes) // 256), ("reclaim", least),
                         ("available frames", 100)):
        report.add(count[name] >= lowest, f"{name}: {lowest} or more", f"{count[name]} there")
    times = [event["ts"] for event in events]
    report.add(times == sorted(times) and times[0] > 0, "times ascend")
    frames = [event["args"]["frame"] for event in events if "frame" in event.get("args", {})]
    report.add(all(0 < frame < nframes for frame in frames), "every frame is one of RAM",
               f"from {min(frames)} to {max(frames)}")
    brought = sum(event["args"]["count"] for event in events
                  if event["name"] == "page-in" and "process" in event["args"])
    report.add(brought >= least, f"{least} pages or more are brought back", f"{brought} were")
    program = [event["pid"] for event in names if event["name"] == "process_name"
               and event["args"]["name"].startswith("pages.exe")]
    touched = {event["args"]["address"][:5] for event in events
               if event["name"] == "fault" and event["pid"] in program}
    report.add(len(program) == 1 and len(touched) >= 32, "its faults are the program's",
               f"processes {program}, {len(touched)} MiB touched")
    for name in ("page-in", "trim", "write", "reclaim"):
        told = [event["args"] for event in events if event["name"] == name and event["ph"] != "e"]
        own = [said for said in told if said.get("process", "").startswith("pages.exe")
               and said["address"][:5] in touched and "frame" in said]
        report.add(len(own) > 0.8 * len(told), f"{name}: process, address and frame are told",
                   f"of {len(own)} of {len(told)}")
    done = [event["args"] for event in events if event["name"] == "fault"
            and event["pid"] in program and event["args"]["result"] == "done"]
    framed = sum("frame" in said for said in done)
    report.add(framed > 0.8 * len(done), "a fault tells the frame that it ended with",
               f"{framed} of {len(done)}")
    threads = {event["args"]["name"] for event in names if event["name"] == "thread_name"}
    report.add({"pages.exe", "balancer"} <= threads, "its threads have names", str(threads))
    inside = check_nesting(events)
    report.add(inside is None, "faults and page-ins lie one in another", str(inside))
    open_writes = {event["id"] for event in events if event["ph"] == "b"}
    open_writes ^= {event["id"] for event in events if event["ph"] == "e"}
    report.add(not open_writes, "every write that begins ends", str(open_writes)[:200])


def check_replay(report, launcher, path):
    """The trace's faults become a reference string, and `make policy` plays it."""
    tool = os.path.join(ROOT, "tools/trace-pages")
    done = run([tool, path, "pages.exe"], LIMIT)
    lines = done.text().splitlines()
    report.add(done.status == 0 and "pages.exe" in lines[0], "its faults become a string",
               *done.error_text().splitlines())
    report.add(len(set(line.split()[0] for line in lines[1:])) >= 32 << 8
               and any(line.endswith(" w") for line in lines), "of all pages that it touched",
               *lines[:3])
    pages = path + ".pages"
    with open(pages, "wb") as file:
        file.write(done.output)
    played = run([os.path.join(launcher.build, "host/tests32"), "policy", "-n", "4096", "-f", pages],
                 LIMIT)
    row = re.search(r"^file +(\d+)", played.text(), re.M)  # two touches of one page are one there
    report.add(played.status == 0 and row and 0.9 * len(lines) < int(row[1]) <= len(lines),
               "which is played as another", *(played.text() + played.error_text()).splitlines())
    os.unlink(pages)
    refused = run([tool, path, "nobody.exe"], LIMIT)
    report.add(refused.status == 1 and "pages.exe" in refused.error_text(),
               "a process that is not there is refused", *refused.error_text().splitlines())


def check_nesting(events):
    """The first event that ends after the one it begins in, or None."""
    open_until = {}
    for event in events:
        if event["ph"] == "X":
            ends = open_until.setdefault(event["tid"], [])
            while ends and ends[-1] <= event["ts"]:
                ends.pop()
            if ends and event["ts"] + event["dur"] > ends[-1] + 0.0005:
                return event
            ends.append(event["ts"] + event["dur"])
    return None


@test("a trace that cannot be written")
def trace_refused(report, launcher):
    hello = launcher.program("hello")
    for path, why in (("/nonexistent/trace.json", "No such file"),
                      ("/dev/null", "no regular file"), (launcher.temporary, "no regular file")):
        done = launcher.run("--trace", path, hello)
        expect(report, done, f"{os.path.basename(path)}: ends with 125", 125)
        report.add(done.error_text().startswith("quire: --trace: ") and why in done.error_text()
                   and done.text() == "", f"{os.path.basename(path)}: says why",
                   *done.error_text().splitlines()[-5:])
    path = os.path.join(launcher.temporary, "trace.json")
    done = launcher.run("--trace", path, "--timeout", "4", launcher.program("code"), "hang")
    expect(report, done, "a run that takes too long ends with 124", 124)
    report.add("the trace ends before the system did" in done.error_text(), "and says it of its trace")
    with open(path, encoding="ascii") as file:
        events = json.load(file)["traceEvents"]
    report.add(sum(event["name"] == "fault" for event in events) > 10, "and what there was is there")
    os.unlink(path)


SHELL_SCRIPT = rb"""md work\deep\deeper
cd work
echo hello> one.txt
echo world >> one.txt
type one.txt
copy one.txt two.txt
copy *.txt deep
dir deep
type deep\two.txt > "third file.txt"
ren one.txt 1.txt
type 1.txt "third file.txt"
move deep\*.txt deep\deeper
del *.txt
dir
rd deep
del none.*
copy nowhere here
shell /c echo by a child > child.txt
shell < child.txt
cd ..
rd /s work
dir work
"""

# What it must say, in this order; what stands between does not matter.
SHELL_SAYS = ["hello", "world", "1 file copied", "2 files copied", "<DIR>  deeper", "one.txt", "two.txt",
              "hello", "world", "hello", "world", "2 files moved", "<DIR>  deep", "1 entry, 0 bytes",
              "deep: the directory is not empty", "none.*: no such file", "nowhere: no such file",
              "by: neither a command", "work: no such file"]


@test("the shell's commands on files")
def shell_files(report, launcher):
    done = launcher.run(PROGRAMS + "shell.exe", data=SHELL_SCRIPT)
    expect(report, done, "the shell ends with 1: its last command failed", 1)
    text = done.text()
    at = 0
    for wanted in SHELL_SAYS:
        found = text.find(wanted, at)
        if found < 0:
            report.add(False, f"it says {wanted!r}", *text[at:].splitlines()[:20])
            return
        at = found + len(wanted)
    report.add(True, "what each says is right")


DISKS_SCRIPT = rb"""echo first> one.txt
copy one.txt D:\two.txt
D:
type two.txt
md sub
move two.txt sub
move sub\two.txt C:\three.txt
dir sub
type C:\three.txt
ren C:\three.txt D:\four.txt
"""
DISKS_SAY = ["1 file copied", "first", "1 file moved", "1 file moved", "0 entries", "first",
             "without a directory"]


@test("files that move between disks")
def between_disks(report, launcher):
    image = os.path.join(launcher.temporary, "data.img")
    done = launcher.run("--data", image, PROGRAMS + "shell.exe", data=DISKS_SCRIPT)
    text = done.text()
    at = 0
    for wanted in DISKS_SAY:
        found = text.find(wanted, at)
        report.add(found >= 0, f"it says {wanted!r}", *text[at:].splitlines()[:20])
        at = max(at, found + len(wanted))
    checked = images.host_tool(["e2fsck", "-fn", image])
    report.add(checked.returncode == 0, "e2fsck finds nothing on the second disk", checked.stdout)
    os.unlink(image)


@test("an example that keeps a file")
def guestbook(report, launcher):
    image = os.path.join(launcher.temporary, "book.img")
    program = os.path.join(launcher.build, "user/examples/guestbook.exe")
    wanted = ""
    for name in ("Ada", "Grace", "Barbara"):
        wanted += f"{name} was here\n"
        done = launcher.run("--disk", image, program, name)
        expect(report, done, f"{name}: ends with 0", 0)
        report.add(done.text().replace("\r", "") == wanted, f"{name} and who came before",
                   *done.text().splitlines())
    os.unlink(image)


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
