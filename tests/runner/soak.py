"""The proofs in full size, one after the other on each core, within a number of minutes.

A part knows how many seconds it takes whole. When one begins it gets its share of the time that is
left: of work that can be divided it does what fits, of the rest the largest size that fits. It ends
by itself before the time is over, or is ended; what was left out is said, and fails the run unless
fewer minutes than MINUTES were asked for.
"""
import concurrent.futures
import os
import platform
import subprocess
import threading
import time

from . import process

MINUTES = 60  # in which all of it fits
TICK = 30  # seconds from one sign of life to the next
SPARE = 5  # seconds kept at the end, to end what still runs and to print


class Part:
    """A proof. PERFORM fills a Task; SECONDS is what all of it takes on one core."""

    def __init__(self, name, seconds, perform):
        self.name = name
        self.seconds = seconds
        self.perform = perform


class Task:
    """One part under way, and what came of it."""

    def __init__(self, part, build, work, budget, deadline):
        self.part = part
        self.build = build
        self.work = work  # a directory
        self.budget = budget  # seconds
        self.deadline = deadline  # when it is ended, in monotonic time
        self.begin = time.monotonic()
        self.seconds = None  # when it is over
        self.progress = "begins"
        self.figures = ""
        self.left_out = ""
        self.failures = []  # lines

    def time_is_over(self):
        return time.monotonic() - self.begin >= self.budget

    def left(self):
        """Seconds until it is ended."""
        return max(1, self.deadline - time.monotonic())

    def largest(self, sizes):
        """Of SIZES, pairs of what and seconds and the largest first, the first one that fits; the
        last one if none does."""
        for what, seconds in sizes:
            if seconds <= self.budget:
                break
        return what

    def verdict(self):
        if self.failures:
            return "FAILED"
        return f"passed; left out: {self.left_out}" if self.left_out else "passed"


def clock(seconds):
    return f"{int(seconds) // 60:3}:{int(seconds) % 60:02}"


def print_now(text):
    print(text, flush=True)


class Soak:
    def __init__(self, parts, build, work, minutes, lanes=None, write=print_now):
        self.parts = parts
        self.build = build
        self.work = work
        self.minutes = minutes
        self.lanes = lanes or len(os.sched_getaffinity(0))
        self.write = write
        self.begin = time.monotonic()
        self.end = self.begin + minutes * 60
        self.lock = threading.Lock()
        self.waiting = list(parts)
        self.tasks = []

    def say(self, text):
        self.write(f"{clock(time.monotonic() - self.begin)}  {text}")

    def start(self, part):
        """PART's task, with its share of the time that nobody else has."""
        with self.lock:
            left = max(0, self.end - SPARE - time.monotonic())
            free = self.lanes * left - sum(
                max(0, task.begin + task.budget - time.monotonic())
                for task in self.tasks if task.seconds is None)
            share = part.seconds / sum(other.seconds for other in self.waiting)
            budget = max(0, min(left, free * share))
            self.waiting.remove(part)
            work = os.path.join(self.work, f"soak{len(self.tasks)}")
            os.mkdir(work)
            limit = min(left, 3 * max(budget, part.seconds))
            task = Task(part, self.build, work, budget, time.monotonic() + limit)
            self.tasks.append(task)
            return task

    def perform(self, part):
        task = self.start(part)
        self.say(f"{part.name}: begins, about {clock(task.budget).strip()} minutes")
        try:
            part.perform(task)
        except process.Stopped:
            task.left_out = f"what came after {task.progress}"
        except Exception as error:  # the other parts go on
            task.failures.append(f"{type(error).__name__}: {error}")
        task.seconds = time.monotonic() - task.begin
        self.say(f"{part.name}: {task.verdict()}: {task.figures}")
        for line in task.failures:
            self.write(f"         | {line}")

    def run(self):
        """Performs all parts; whether all is well."""
        pool = concurrent.futures.ThreadPoolExecutor(self.lanes)
        futures = [pool.submit(self.perform, part) for part in self.parts]
        try:
            while concurrent.futures.wait(futures, self.next_look()).not_done:
                self.show_progress()
                if time.monotonic() >= self.end:
                    process.stop_all()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            process.stop_all()
            raise
        return self.judge()

    def next_look(self):
        return max(1, min(TICK, self.end - time.monotonic()))

    def show_progress(self):
        for task in list(self.tasks):
            if task.seconds is None:
                elapsed = clock(time.monotonic() - task.begin).strip()
                self.say(f"{task.part.name}: {task.progress} (after {elapsed})")

    def judge(self):
        failed = [task for task in self.tasks if task.failures]
        parts = [task for task in self.tasks if task.left_out]
        self.write("\n" + self.table())
        if parts and self.minutes >= MINUTES:
            self.write(f"soak: {len(parts)} of {len(self.tasks)} parts were not run whole")
        return not failed and (not parts or self.minutes < MINUTES)

    def table(self):
        """For docs/testing.md."""
        rows = [f"Commit {commit()}, {time.strftime('%Y-%m-%d')}, {self.minutes:g} minutes, "
                f"{self.lanes} cores ({platform.machine()}):", "",
                "| part | figures | seconds | verdict |", "|---|---|---|---|"]
        rows += [f"| {task.part.name} | {task.figures} | {task.seconds:.0f} | {task.verdict()} |"
                 for task in self.tasks]
        return "\n".join(rows)


def commit():
    done = subprocess.run(["git", "-C", process.ROOT, "describe", "--always", "--dirty"],
                          capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def main(parts, build, work, minutes):
    """`tests/run --soak`; whether all is well."""
    if not parts:
        print("soak: no part has such a name")
        return False
    return Soak(parts, build, work, minutes).run()
