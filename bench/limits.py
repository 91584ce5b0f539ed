"""The figures that shoal has to reach, and whether it did."""


class Limits:
    def __init__(self):
        self.checks = []

    def _add(self, verdict, what, value, limit, unit, span=None):
        self.checks.append({"verdict": verdict, "what": what, "value": value, "limit": limit, "unit": unit,
                            "span": span})

    def at_most(self, what, value, limit, unit="", span=None):
        """`value` None: shoal did not get that far, which is a failure too. `span`: between what the value lies, as far
        as the measurement can tell; with the limit in between it is neither kept nor missed."""
        verdict = "PASS" if value is not None and value <= limit else "FAIL"
        if verdict == "FAIL" and span and span[0] <= limit:
            verdict = "OPEN"
        self._add(verdict, what, value, limit, unit, span)

    def ratio(self, what, ours, theirs, limit):
        """ours / theirs <= limit; `theirs` None: there is nobody to compare with."""
        if theirs:
            self.at_most(what, None if ours is None else ours / theirs, limit, "x")
        else:
            self.skip(what, limit, "x")

    def skip(self, what, limit, unit=""):
        """It could not be measured here; the scenario says why."""
        self._add("SKIP", what, None, limit, unit)

    def fail(self, what, why):
        """Nothing of it was measured."""
        print(f"{what}: given up: {why}", flush=True)
        self.at_most(what, None, 0)

    def missed(self):
        return [c for c in self.checks if c["verdict"] == "FAIL"]

    def show(self):
        print("\nlimits")
        for c in self.checks:
            value = "-" if c["value"] is None else f"{c['value']:.2f}{c['unit']}"
            span = "" if c["span"] is None else " ({:.2f}-{:.2f})".format(*c["span"])
            print(f"{c['verdict']}  {c['what']:66} {value:>10}{span} <= {c['limit']:.2f}{c['unit']}")
        verdicts = [c["verdict"] for c in self.checks]
        print(", ".join(f"{verdicts.count(v)} {text}" for v, text in
                        (("PASS", "kept"), ("FAIL", "missed"), ("OPEN", "not to be told"), ("SKIP", "not measured"))))
