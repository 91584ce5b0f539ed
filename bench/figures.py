"""Rounds, medians and tables."""

import statistics

from watch import Failed

MIB = 1 << 20

# key of a figure -> heading, width, how it is written
COLUMNS = {
    "wall": ("wall s", 8, lambda v: f"{v:.3f}"),
    "cpu": ("CPU s", 8, lambda v: f"{v:.3f}"),
    "cpu seed": ("CPU seed", 9, lambda v: f"{v:.2f}"),
    "cpu get": ("CPU get", 9, lambda v: f"{v:.2f}"),
    "anon seed": ("anon seed", 10, lambda v: f"{v / MIB:.1f}M"),
    "anon get": ("anon get", 10, lambda v: f"{v / MIB:.1f}M"),
    "rss seed": ("RSS seed", 10, lambda v: f"{v / MIB:.1f}M"),
    "rss get": ("RSS get", 10, lambda v: f"{v / MIB:.1f}M"),
    "copies": ("copies", 7, lambda v: f"{v:.2f}"),
}


def rounds(runs, rows):
    """Measure every row once a round; the first round does not count. Each begins with another row, and every other
    one runs backwards: what a row leaves behind (memory that is warm, say) is not always the same one's to use.

    `rows`: {name: function that returns {figure: value}}. A row that fails is left out, with a note.
    Returns {name: {figure: [values]}}."""
    out = {name: {} for name in rows}
    for i in range(runs + 1):
        names = list(out)
        turn = i % max(1, len(names))
        for name in (names[turn:] + names[:turn])[::-1 if i % 2 else 1]:
            try:
                figures = rows[name]()
            except Failed as e:
                print(f"{name}: left out: {e}", flush=True)
                del out[name]
                continue
            if i > 0:
                for key, value in figures.items():
                    out[name].setdefault(key, []).append(value)
    return out


def median(measured, name, key):
    """None when there is no such figure."""
    values = [v for v in measured.get(name, {}).get(key, []) if v is not None]
    return statistics.median(values) if values else None


def both_cpu(measured, name):
    """CPU seconds of all sides."""
    seed, get = median(measured, name, "cpu seed"), median(measured, name, "cpu get")
    return None if seed is None or get is None else seed + get


def best(measured, names, of):
    """The least of of(measured, name) among `names`; None when none has it."""
    values = [v for v in (of(measured, n) for n in names) if v is not None]
    return min(values) if values else None


def wall(measured, name):
    return median(measured, name, "wall")


def round_by_round(measured, ours, theirs):
    """What one row's wall time is of other rows' (their mean) within each round, that is, of what was measured one after the
    other: where a machine is a fifth slower for half a minute at a time, as virtual ones are, the medians of two rows may
    come from different half minutes. Returns the median and between what it lies with 95 % certainty, by the ranks of the
    rounds (a few that went wrong do not matter); None when a row is missing."""
    if any(name not in measured for name in (ours, *theirs)):
        return None
    each = sorted(a / statistics.mean(others) for a, *others in
                  zip(measured[ours]["wall"], *(measured[name]["wall"] for name in theirs)))
    rank = max(0, int((len(each) - 1.96 * len(each) ** 0.5) / 2) - 1)
    return statistics.median(each), each[rank], each[-1 - rank]


def table(title, measured, columns):
    print(f"\n{title}")
    width = max([len(n) for n in measured] + [4])
    heads = "".join(f" {'(min-max)':>15}" if c == "span" else f" {COLUMNS[c][0]:>{COLUMNS[c][1]}}" for c in columns)
    print(" " * width + heads)
    for name, figures in measured.items():
        line = f"{name:{width}}"
        for c in columns:
            values = [v for v in figures.get("wall" if c == "span" else c, []) if v is not None]
            if c == "span":
                text = f"({min(values):.2f}-{max(values):.2f})" if values else ""
                line += f" {text:>15}"
            else:
                text = COLUMNS[c][2](statistics.median(values)) if values else "-"
                line += f" {text:>{COLUMNS[c][1]}}"
        print(line, flush=True)


def ratios(measured, ours, cpu=both_cpu):
    """Ours to each other row, wall and CPU."""
    for name in measured:
        if name == ours or wall(measured, ours) is None:
            continue
        pair = [(of(measured, ours), of(measured, name)) for of in (wall, cpu)]
        texts = [f"{a / b:.2f}" if a is not None and b else "-" for a, b in pair]
        print(f"{ours} : {name}  wall {texts[0]}  CPU {texts[1]}")


def keep(run, title, measured):
    """Put the figures where --json writes them."""
    run.results["scenarios"][title] = {
        name: {"median": {k: median(measured, name, k) for k in figures}, "runs": figures}
        for name, figures in measured.items()}
