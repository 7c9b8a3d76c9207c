"""The tables, on the terminal and in docs/performance.md, and the plots."""
import os

from figures import HERE
from gates import misses, number
from plot import Line, Plot

ROOT = os.path.dirname(os.path.dirname(HERE))
DOCUMENT = os.path.join(ROOT, "docs/performance.md")
PICTURES = os.path.join(ROOT, "docs/pictures")
BEGIN, END = "<!-- make bench UPDATE=1 writes from here -->", "<!-- to here -->"
BLUE, GREEN, RED, GREY = "#0969da", "#1a7f37", "#cf222e", "#6e7781"
PALE_BLUE, PALE_GREEN, PALE_RED = "#54aeff", "#4ac26b", "#ff8182"

HEAD = ("guest instructions for", "target", "Quire", "Linux", "tuned", "of tuned", "flushes", "CR3",
        "time", "")
DISK_HEAD = ("disk requests, for 100 pages touched", "reads", "KiB each", "writes", "KiB each",
             "Linux: reads", "KiB each", "writes", "KiB each")


def rate(count):
    """How often in one operation."""
    return "0" if not count else f"{count:.2f}" if count >= 0.01 else "<0.01"


def time(cost):
    """Nanoseconds as microseconds."""
    return "" if cost is None else f"{cost / 1000:.3g}"


class Report:
    def __init__(self, rows, counted, wall, peers):
        self.rows = rows
        self.counted = counted
        self.wall = wall
        self.peers = peers

    def cells(self):
        """The rows of the table that have been measured."""
        for row in self.rows:
            cost = self.counted.costs.get(row.name)
            if cost is None:
                continue
            tuned = self.peers.get(row.name, "tuned")
            timed = self.wall.costs.get(row.name)
            bytes_ = row.name == "frame-bytes"
            marks = ["missed"] if misses(row, cost) else []
            marks += ["dearer"] if tuned and cost.spent > tuned else []
            yield (row.title, number(row.target), number(cost.spent),
                   number(self.peers.get(row.name, "linux")), number(tuned),
                   f"{cost.spent / tuned:.2f}" if tuned else "",
                   "" if bytes_ else rate(cost.flushes), "" if bytes_ else rate(cost.root_loads),
                   time(timed and timed.spent), ", ".join(marks))

    def disk_cells(self):
        for row in self.rows:
            ours, theirs = self.counted.disks.get(row.name), self.peers.disks.get(row.name)
            if ours:
                yield (row.title, *requests(ours), *(requests(theirs) if theirs else [""] * 4))

    def text(self):
        return "\n".join([*columns(HEAD, list(self.cells())), "",
                          *columns(DISK_HEAD, list(self.disk_cells()))])

    # ---- docs/performance.md ---------------------------------------------------------------------

    def markdown(self):
        head = ("operation", "target", "Quire", "Linux", "Linux tuned", "Quire / tuned",
                "TLB flushes", "CR3 writes", "µs in TCG")
        lines = [table_line(head), "|---" + "|--:" * (len(head) - 1) + "|"]
        for line in self.cells():
            cells = list(line[:-1])
            cells[2] = f"**{cells[2]}**" if "missed" in line[-1] else cells[2]
            lines.append(table_line(cells))
        disk = list(self.disk_cells())
        if disk:
            head = ("per 100 pages touched", *DISK_HEAD[1:])
            lines += ["", table_line(head), "|---" + "|--:" * (len(head) - 1) + "|"]
            lines += [table_line(line) for line in disk]
        about = self.peers.about
        lines += ["", f"Linux: {about['kernel']}, measured on {about['date']} "
                      f"({about['emulator'].partition('(')[0].strip()})."]
        return lines

    def update(self):
        os.makedirs(PICTURES, exist_ok=True)
        plots = [("cost-views.svg", self.views_plot()), ("cost-size.svg", self.size_plot())]
        plots += [(f"cost-overcommit-{kind}.svg", self.overcommit_plot(kind))
                  for kind in ("private", "shared")
                  if f"paging-{kind}-write" in self.counted.points]
        for name, plot in plots:
            with open(os.path.join(PICTURES, name), "w", encoding="utf-8") as file:
                file.write(plot.svg())
        with open(DOCUMENT, encoding="utf-8") as file:
            before, begin, rest = file.read().partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise SystemExit(f"bench: {DOCUMENT} has lost its marks")
        lines = [before + BEGIN, "", *self.markdown(), "", END + after]
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))

    # ---- the plots -------------------------------------------------------------------------------

    def views_plot(self):
        lines = [Line("Quire", BLUE, self.counted.points["views"]),
                 Line("Linux tuned", RED, self.peers.points["views"], dashed=True)]
        marks = [(10 ** n, f"{10 ** n}") for n in range(5)] + [(20000, "")]
        return Plot("Map + unmap of a 64 KiB view", "other views in the process",
                    "guest instructions", marks, lines)

    def size_plot(self):
        points, theirs = self.counted.points, self.peers.points
        lines = [Line("Quire, untouched", GREEN, points["size-untouched"]),
                 Line("Quire, read, linked", BLUE, points["size-linked"]),
                 Line("Quire, read, filled", GREY, points["size-filled"]),
                 Line("Linux tuned, untouched", "#e16f24", theirs["size-untouched"], dashed=True),
                 Line("Linux tuned, read", RED, theirs["size-read"], dashed=True)]
        marks = [(65536 << shift, label) for shift, label in
                 ((0, "64 KiB"), (2, "256"), (4, "1 MiB"), (6, "4"), (8, "16"), (10, "64"),
                  (12, "256"))]
        return Plot("Map and unmap of a whole resident section, untouched or every page read",
                    "size of the section", "guest instructions", marks, lines)

    def overcommit_plot(self, kind):
        lines = []
        for name, title, colour, pale in (("write", "first write", GREEN, PALE_GREEN),
                                          ("read", "clean read", BLUE, PALE_BLUE),
                                          ("random", "random read", RED, PALE_RED)):
            series = f"paging-{kind}-{name}"
            if series in self.counted.points:
                lines.append(Line(f"Quire, {title}", colour, self.counted.points[series]))
            if series in self.peers.points:
                lines.append(Line(f"Linux tuned, {title}", pale, self.peers.points[series],
                                  dashed=True))
        marks = [(50, "0.5"), (100, "1"), (150, "1.5"), (200, "2"), (300, "3"), (400, "4")]
        what = "private memory" if kind == "private" else "a section backed by the paging file"
        return Plot(f"Touching each page of {what}", "its size, in times of what is free",
                    "guest instructions for each page touched", marks, lines)


def requests(disk):
    """For 100 pages: reads, KiB of each, writes, KiB of each."""
    for count, nbytes in ((disk.reads, disk.read_bytes), (disk.writes, disk.written_bytes)):
        yield f"{count * 100 / disk.pages:.1f}"
        yield f"{nbytes / count / 1024:.0f}" if count else ""


def columns(head, table):
    """Lines of a table for the terminal."""
    widths = [max(len(line[i]) for line in [head, *table]) for i in range(len(head))]
    for line in [head, *table]:
        shown = [line[0].ljust(widths[0])]
        shown += [line[i].rjust(widths[i]) for i in range(1, len(head))]
        yield "  ".join(shown).rstrip()


def table_line(cells):
    return "| " + " | ".join(cells) + " |"
