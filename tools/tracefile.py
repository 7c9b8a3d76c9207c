"""The trace of a run: the kernel's records made into Chrome's trace-event format.

The records' format stands in docs/internals.md, "The trace". `Writer` takes them as they come and
makes the file at the end, in one step, so that no half of one is ever seen under its name. What it
makes is read by chrome://tracing, Perfetto and whatever else knows the format. Nothing but Python's
standard library.
"""
import array
import json
import os
import stat
import struct
import tempfile

RECORD = struct.Struct("<QIBBHII16s")  # time, sequence, event, detail, count, thread, owner, rest
REST = struct.Struct("<IIII")          # where, frame, duration, available frames or slot
(FAULT, PAGE_IN, TRIM, WRITE, RECLAIM, THREAD, PROCESS, END) = range(1, 9)
OF_SEGMENT = 0x80000000
NONE = 0xFFFFFFFF
ACCESSES = {0: "read", 1: "write", 8: "execute"}
RESULTS = ("done", "retry", "violation", "in-page error", "guard page", "stack overflow")
NAMES = {FAULT: "fault", PAGE_IN: "page-in", TRIM: "trim", WRITE: "write", RECLAIM: "reclaim"}
KERNEL = 0  # the process that the kernel's own threads are shown in

# What is shown at one moment: a record's beginning, its end, what it says of the frames.
(BEGINNING, ENDING, FRAMES) = range(3)


class Writer:
    """Collects records, and makes PATH of them. The OSErrors of all three functions are the caller's."""

    def __init__(self, path, work):
        """Sees to it that PATH can be written; the records wait below WORK."""
        self.path = path
        if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(0, "it is no regular file")
        directory = os.path.dirname(os.path.abspath(path))
        self.file, self.temporary = tempfile.mkstemp(prefix=".quire-trace-", dir=directory)
        self.records = open(os.path.join(work, "trace"), "w+b")

    def feed(self, data):
        self.records.write(data)

    def finish(self):
        """Writes the file; what is to be said about it, or None."""
        self.records.seek(0)
        trace = Trace(self.records.read())
        with os.fdopen(self.file, "w", encoding="ascii") as target:
            self.file = None
            trace.write(target)
        os.chmod(self.temporary, 0o666 & ~umask())
        os.replace(self.temporary, self.path)
        self.temporary = None
        return trace.complaint()

    def close(self):
        self.records.close()
        if self.file is not None:
            os.close(self.file)
        if self.temporary is not None:
            os.unlink(self.temporary)


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


class Trace:
    """The records of one run."""

    def __init__(self, data):
        self.data = data
        self.count = len(data) // RECORD.size
        self.threads = []                    # names and processes of the threads, by number
        self.processes = {KERNEL: "kernel"}  # names, by space
        self.lost = 0
        self.is_whole = False
        self.number_of = array.array("I")    # the thread's number, by record
        self.read()

    def record(self, index):
        return RECORD.unpack_from(self.data, index * RECORD.size)

    def read(self):
        """What the records say of one another, in the order in which they were made."""
        numbers = {}
        expected = 0
        for index in range(self.count):
            _, sequence, event, _, _, thread, owner, rest = self.record(index)
            self.lost += sequence - expected & NONE
            expected = sequence + 1
            if event == THREAD:
                numbers[thread] = len(self.threads)
                self.threads.append((text(rest), owner))
            elif event == PROCESS:
                self.processes[owner] = f"{text(rest)} (process {thread})"
            elif event == END:
                self.is_whole = True
            elif thread not in numbers:
                numbers[thread] = len(self.threads)
                self.threads.append(("?", KERNEL))
            self.number_of.append(numbers.get(thread, 0))

    def complaint(self):
        said = [f"the trace has lost {self.lost} records"] if self.lost else []
        said += [] if self.is_whole else ["the trace ends before the system did"]
        return "; ".join(said) or None

    def moments(self):
        """(what, record) for all that is shown, times ascending."""
        times, what = array.array("Q"), array.array("Q")
        for index in range(self.count):
            time, _, event, _, _, _, _, rest = self.record(index)
            if event not in NAMES:
                continue
            _, _, duration, available = REST.unpack(rest)
            times.append(time)
            what.append(index << 2 | BEGINNING)
            if event == WRITE:
                times.append(time + duration)
                what.append(index << 2 | ENDING)
            if event == FAULT and available != NONE:
                times.append(time + duration)
                what.append(index << 2 | FRAMES)
        for place in sorted(range(len(times)), key=times.__getitem__):
            yield times[place], what[place] & 3, what[place] >> 2

    def write(self, target):
        target.write('{"displayTimeUnit":"ns",\n"otherData":' + json.dumps(
            {"made by": "Quire", "records": str(self.count), "lost records": str(self.lost),
             "whole": "yes" if self.is_whole else "no"}) + ',\n"traceEvents":[')
        before = "\n"
        for event in self.events():
            target.write(before + event)
            before = ",\n"
        target.write("\n]}\n")

    def events(self):
        """The events as JSON."""
        for space, name in self.processes.items():
            yield meta("process_name", space, 0, name)
        for number, (name, space) in enumerate(self.threads):
            yield meta("thread_name", space, number, name)
        shown = None
        for time, what, index in self.moments():
            _, _, event, detail, count, _, owner, rest = self.record(index)
            number = self.number_of[index]
            where, frame, duration, extra = REST.unpack(rest)
            head = f'{{"name":"{NAMES[event]}","cat":"mm","pid":{self.threads[number][1]},' \
                   f'"tid":{number},"ts":{microseconds(time)},'
            if what == FRAMES:
                if extra != shown:
                    shown = extra
                    yield f'{{"name":"available frames","ph":"C","pid":{KERNEL},"tid":0,' \
                          f'"ts":{microseconds(time)},"args":{{"frames":{extra}}}}}'
            elif what == ENDING:
                yield f'{head}"ph":"e","id":{index}}}'
            else:
                arguments = json.dumps(self.arguments(event, detail, count, owner, where, frame, extra))
                yield head + phase(event, index, duration) + f',"args":{arguments}}}'

    def arguments(self, event, detail, count, owner, where, frame, extra):
        """What one event says: whose page, where, in which frame."""
        said = {}
        if event == FAULT:
            result = detail >> 4
            said["address"] = f"0x{where:08x}"
            said["access"] = ACCESSES.get(detail & 15, "?")
            said["result"] = RESULTS[result] if result < len(RESULTS) else "?"
        elif owner & OF_SEGMENT:
            said["segment"] = owner & ~OF_SEGMENT
            said["page"] = f"0x{where:05x}"
        elif owner:
            said["process"] = self.processes.get(owner, f"space {owner}")
            said["address"] = f"0x{where << 12:08x}"
        if event in (WRITE, RECLAIM) and extra != NONE:
            said["slot"] = extra
        if event in (PAGE_IN, WRITE):
            said["count"] = count
            said["success"] = not detail
        elif event == TRIM:
            said["dirty"] = bool(detail)
        if frame != NONE:
            said["frame"] = frame
        return said


def text(rest):
    return rest.partition(b"\0")[0].decode("ascii", "replace")


def microseconds(nanoseconds):
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03}"


def meta(name, space, thread, value):
    return json.dumps({"name": name, "ph": "M", "pid": space, "tid": thread, "ts": 0,
                       "args": {"name": value}}, separators=(",", ":"))


def phase(event, index, duration):
    """Faults and page-ins lie one in another; writes overlap; the rest takes no time."""
    if event in (FAULT, PAGE_IN):
        return f'"ph":"X","dur":{microseconds(duration)}'
    return f'"ph":"b","id":{index}' if event == WRITE else '"ph":"i","s":"t"'
