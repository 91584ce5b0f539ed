"""The figures that shoal has to reach, and whether it did."""


class Limits:
    def __init__(self):
        self.checks = []

    def _add(self, verdict, what, value, limit, unit, error=0.0):
        self.checks.append({"verdict": verdict, "what": what, "value": value, "limit": limit, "unit": unit,
                            "error": error})

    def at_most(self, what, value, limit, unit="", error=0.0):
        """`value` None: shoal did not get that far, which is a failure too. `error`: by so much the value may be off,
        and only what is beyond the limit in spite of it has missed it."""
        kept = value is not None and value - error <= limit
        self._add("PASS" if kept else "FAIL", what, value, limit, unit, error)

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
            error = f" ±{c['error']:.2f}" if c["error"] else ""
            print(f"{c['verdict']}  {c['what']:66} {value:>10}{error} <= {c['limit']:.2f}{c['unit']}")
        verdicts = [c["verdict"] for c in self.checks]
        print(", ".join(f"{verdicts.count(v)} {text}" for v, text in
                        (("PASS", "kept"), ("FAIL", "missed"), ("SKIP", "not measured"))))
