"""What a test has to say: reading TAP, counting, printing.

A job is one run of something that makes many checks: a host test program, the self-tests of one
boot, a Win32 test on one system. It gives a Report.
"""
import re
import threading

POINT = re.compile(r"^(not )?ok\b *(\d+)? *-? *(.*?)(?: *# *SKIP\b *(.*))?$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)(?: *# *SKIP *(.*))?$", re.IGNORECASE)
SHOWN_LINES = 60  # of what a failed job said


class Check:
    def __init__(self, passed, name, skip=None, detail=()):
        self.passed = passed
        self.name = name
        self.skip = skip  # the reason, when it was skipped
        self.detail = list(detail)


class Report:
    """The checks of one job."""

    def __init__(self, name):
        self.name = name
        self.checks = []
        self.seconds = 0.0
        self.tail = []  # what was said last, shown when something failed
        self.note = ""  # figures, shown beside the counts

    def add(self, passed, name, *detail):
        self.checks.append(Check(passed, name, detail=detail))
        return passed

    def skip(self, name, reason):
        self.checks.append(Check(True, name, skip=reason))

    def count(self):
        failed = sum(not check.passed for check in self.checks)
        skipped = sum(check.passed and check.skip is not None for check in self.checks)
        return len(self.checks) - failed - skipped, failed, skipped

    def read_tap(self, text, plan_required=True, explained_before=False):
        """
        Adds the checks of TAP output. Lines that begin with # explain the failure that they follow,
        or, with EXPLAINED_BEFORE, the one that comes next.
        """
        planned = None
        points = 0
        before = []
        for line in text.replace("\r", "").splitlines():
            point = POINT.match(line)
            plan = PLAN.match(line)
            if point:
                points += 1
                self.checks.append(Check(not point[1], point[3] or f"check {points}", point[4],
                                         before if explained_before else ()))
                before = []
            elif plan:
                planned = int(plan[1])
                if planned == 0 and plan[2]:
                    self.skip("all of it", plan[2])
            elif line.startswith("#") and explained_before:
                before.append(line)
            elif line.startswith("#") and self.checks and not self.checks[-1].passed:
                self.checks[-1].detail.append(line)
        if planned is None and plan_required:
            self.add(False, f"ended before its plan line, after {points} checks")
        elif planned is not None and planned != points:
            self.add(False, f"made {points} checks where {planned} were planned")


class Printer:
    """Prints reports as they come, one at a time, and the sum at the end."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passed = self.failed = self.skipped = 0
        self.reasons = []

    def show(self, report):
        passed, failed, skipped = report.count()
        with self.lock:
            self.passed += passed
            self.failed += failed
            self.skipped += skipped
            state = "not ok" if failed else "ok    "
            counts = f"{passed} passed" + (f", {failed} failed" if failed else "")
            counts += f", {skipped} skipped" if skipped else ""
            note = f": {report.note}" if report.note else ""
            print(f"{state} {report.name} ({counts}, {report.seconds:.1f} s){note}", flush=True)
            if failed:
                self.show_failures(report)
            self.note_skips(report)

    @staticmethod
    def show_failures(report):
        for check in report.checks:
            if not check.passed:
                print(f"       not ok {check.name}")
                for line in check.detail:
                    print(f"         {line}")
        if report.tail:
            print("       it last said:")
            for line in report.tail[-SHOWN_LINES:]:
                print(f"         | {line}")

    def note_skips(self, report):
        reasons = {}
        for check in report.checks:
            if check.skip is not None and check.passed:
                reasons.setdefault(check.skip, []).append(check.name)
        for reason, names in reasons.items():
            what = names[0] if len(names) == 1 else f"{len(names)} checks"
            self.reasons.append(f"skipped: {report.name}: {what}: {reason}")

    def finish(self):
        """The last line; whether all is well."""
        for line in self.reasons:
            print(line)
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}", flush=True)
        return self.failed == 0 and self.passed > 0
