"""What makes the measurement fail: an operation that is dearer than its target, than on Linux, or
than it was."""
import os

# Of time in plain TCG: other work on the host adds to it, and so does another host's cache.
SLOWER = 1.75
SLACK = 100  # nanoseconds that no reading is better than


def number(cost):
    """COST for a reader: a small one with its first decimal, a large one in millions."""
    if cost is None:
        return ""
    if cost >= 10 ** 7:
        return f"{cost / 10 ** 6:.0f} M"
    if cost >= 20:
        return f"{cost:.0f}"
    return f"{cost:.1f}".removesuffix(".0")


def misses(row, cost):
    """Whether COST is more than ROW's target, as the table shows it: without a fraction."""
    return row.target is not None and (round(cost.spent) if cost.spent >= 20 else
                                       cost.spent) > row.target


def missed(rows, counted):
    """Rows that cost more than their target."""
    for row in rows:
        cost = counted.costs.get(row.name)
        if cost and misses(row, cost):
            yield (f"more than its target: {row.title}: {number(cost.spent)}, "
                   f"target {number(row.target)}")


def dearer(rows, counted, peers):
    """Rows that cost more than on the peer."""
    for row in rows:
        cost, there = counted.costs.get(row.name), peers.get(row.name, "tuned")
        if cost and there is not None and cost.spent > there:
            yield (f"dearer than Linux tuned: {row.title}: {number(cost.spent)}, "
                   f"there {number(there)}")


def smaller(rows, counted):
    """Rows whose requests to the disk are smaller than is asked, or were not counted."""
    for row in rows:
        if row.request and row.name in counted.costs:
            disk = counted.disks.get(row.name)
            kib = disk.request(row.requests) if disk else 0
            if kib < row.request:
                yield (f"small {row.requests}: {row.title}: {number(kib)} KiB each, "
                       f"asked {number(row.request)} KiB")


def missing(rows, counted, kept):
    """Rows that were measured once, or have a target, and are not there now."""
    for row in rows:
        if row.name not in counted.costs and (row.target or row.name in kept.rows):
            yield f"not measured: {row.title}"


def worse(rows, counted, kept):
    """Counts that have grown: instructions by more than the row's tolerance, flushes at all."""
    for row in rows:
        cost, before = counted.costs.get(row.name), kept.rows.get(row.name)
        if not cost or not before:
            continue
        if cost.spent > before["instructions"] * (1 + row.tolerance / 100) + 0.1:
            yield (f"dearer than before: {row.title}: {number(cost.spent)}, "
                   f"before {number(before['instructions'])}")
        for field, words in (("flushes", "TLB flushes"), ("root_loads", "CR3 writes")):
            if getattr(cost, field) > before[field] * (1 + row.tolerance / 100) + 0.001:
                yield (f"more {words}: {row.title}: {getattr(cost, field):.4g}, "
                       f"before {before[field]:.4g}")


def host_is_busy():
    """Whether other work takes the host's processors away: then times say nothing."""
    return os.getloadavg()[0] > os.cpu_count() + 0.5


def slower(rows, wall, kept):
    """Rows that take longer, as measured by how fast this host runs a loop."""
    if not kept.speed or not wall.speed:
        return
    host = wall.speed / kept.speed
    for row in rows:
        cost, before = wall.costs.get(row.name), kept.rows.get(row.name, {}).get("wall")
        if cost and before and cost.spent > before * host * SLOWER + SLACK:
            yield (f"slower than before: {row.title}: {cost.spent:.0f} ns, "
                   f"before {before * host:.0f} ns on this host")
