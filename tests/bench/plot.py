"""A line plot on logarithmic axes, as SVG text."""
from math import log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 50, 56
INK, FAINT = "#24292f", "#d8dee4"


class Line:
    def __init__(self, name, colour, points, dashed=False):
        self.name = name
        self.colour = colour
        self.points = sorted(points)
        self.dashed = dashed


def decades(low, high):
    """The powers of ten that enclose LOW to HIGH."""
    first = 1
    while first * 10 <= low:
        first *= 10
    marks = [first]
    while marks[-1] < high:
        marks.append(marks[-1] * 10)
    return marks if len(marks) > 1 else [first, first * 10]


def position(value, low, high):
    """Where VALUE lies between LOW and HIGH, as 0 to 1, on a logarithmic scale."""
    return log10(value / low) / log10(high / low)


def short(number):
    """1000 as 1 k, 1000000 as 1 M."""
    for size, letter in ((10 ** 9, " G"), (10 ** 6, " M"), (10 ** 3, " k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def text(x, y, words, size=13, anchor="start", colour=INK, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}"{more}>{escape(words)}</text>')


class Plot:
    def __init__(self, title, x_title, y_title, x_marks, lines):
        """X_MARKS: (value, label) of each mark below, the first and last bound the axis."""
        self.title = title
        self.x_title = x_title
        self.y_title = y_title
        self.x_marks = x_marks
        self.lines = lines
        values = [y for line in lines for _, y in line.points]
        self.y_marks = decades(min(values), max(values))

    def x(self, value):
        low, high = self.x_marks[0][0], self.x_marks[-1][0]
        return LEFT + position(value, low, high) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = self.y_marks[0], self.y_marks[-1]
        return HEIGHT - BOTTOM - position(value, low, high) * (HEIGHT - TOP - BOTTOM)

    def axes(self):
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for mark in self.y_marks:
            at = self.y(mark)
            yield f'<path d="M{LEFT} {at:.1f}H{right}" stroke="{FAINT}"/>'
            yield text(LEFT - 8, at + 4, short(mark), 12, "end")
        for value, label in self.x_marks:
            at = self.x(value)
            yield f'<path d="M{at:.1f} {TOP}V{bottom}" stroke="{FAINT}"/>'
            yield text(at, bottom + 18, label, 12, "middle")
        yield text(LEFT, 24, self.title, 15, more=' font-weight="bold"')
        yield text((LEFT + right) / 2, HEIGHT - 12, self.x_title, 13, "middle")
        yield text(LEFT, TOP - 10, self.y_title, 12)

    def line(self, line):
        places = [(self.x(x), self.y(y)) for x, y in line.points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        yield f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="2"{dash}/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.colour}"/>'

    def labels(self):
        """The lines' names to the right of their last points, pushed apart."""
        ends = sorted((self.y(line.points[-1][1]), number)
                      for number, line in enumerate(self.lines))
        last = TOP - 20
        for at, number in ends:
            at = max(at + 4, last + 17)
            last = at
            line = self.lines[number]
            yield text(WIDTH - RIGHT + 12, at, line.name, 13, colour=line.colour)

    def svg(self):
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                 f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
                 f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>', *self.axes()]
        for line in self.lines:
            parts += self.line(line)
        return "\n".join([*parts, *self.labels(), "</svg>", ""])
