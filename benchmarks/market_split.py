# ruff: noqa: ANN401, S311 -- the simulator's values have no types, its dice are no secrets
"""When to split, against a threshold and never: `python -m benchmarks.market_split --seeds 20`.

Drives what the services call, `splitting.decide`, `forecast`, `learn` and `ease_learn`, in the
simulator's model of splitting (`sim.mitosis`), where splitting is cheap, where it is dear, and
between.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.market import simulator
from cluster.core import splitting
from cluster.core.splitting import Arm, Rates, SplitTable, Tally

RATES = ((0.05, 0.05), (0.08, 0.07), (0.12, 0.10))
"""λ and μ."""


def solve(x: float) -> float:
    """Return how likely work is solved, as the simulator tells every rule."""
    return 1.0 / (1.0 + math.exp(-(1.2 - 5.5 * (x - 0.45))))


class Ours:
    """The simulator's rule over our tables."""

    name = "ours"

    def __init__(self, lam: float, mu: float) -> None:
        self.rates = Rates(cost_weight=lam, wait_weight=mu, lo=0.2, hi=0.9)
        self.own: dict[int, dict[tuple[Arm, int], Tally]] = {}
        self.pooled: dict[tuple[Arm, int], Tally] = {}
        self.ease: dict[int, Tally] = {}
        self.pooled_ease = Tally()

    def table(self, world: Any, k: int) -> SplitTable:
        domain = int(world.dom[k])
        return SplitTable(
            own=self.own.get(domain, {}),
            pooled=self.pooled,
            ease=self.ease.get(domain, Tally()),
            pooled_ease=self.pooled_ease,
        )

    def choose(self, world: Any, k: int, _rng: Any) -> bool:
        table, rng = self.table(world, k), Random(f"{k}")
        return splitting.decide(self.work(world, k), table, rates=self.rates, rng=rng).split

    def update(self, world: Any, k: int, *result: Any) -> None:
        split, score, cost, time = result
        arm, work = (Arm.SPLIT if split else Arm.SOLO), self.work(world, k)
        if split:
            # Nobody senses parts here: what they cost says how complex they were, as for a whole.
            each = (cost - splitting.PLAN_WORK) / work.part_count - splitting.WORK_BASE
            ease = splitting.ease_of(work.x, [each] * work.part_count)
            assert ease is not None
            domain = int(world.dom[k])
            self.ease[domain] = splitting.ease_learn(self.ease.get(domain, Tally()), ease)
            self.pooled_ease = splitting.ease_learn(self.pooled_ease, ease)
        expected = splitting.forecast(work, arm, self.rates, self.table(world, k))
        worth = splitting.utility(score, cost=cost, time=time, rates=self.rates)
        at = (arm, splitting.bin_of(float(world.est[k])))
        for cells in (self.own.setdefault(int(world.dom[k]), {}), self.pooled):
            before = cells.get(at, Tally())
            cells[at] = splitting.learn(before, utility=worth, expected=expected)

    def work(self, world: Any, k: int) -> splitting.Work:
        return splitting.Work(
            x=float(world.est[k]),
            part_count=int(world.m[k]),
            depth=int(world.depth[k]),
            solve=solve,
        )


def regrets(seed: int, lam: float, mu: float) -> dict[str, float]:
    """Return the regret of each rule over the simulator's 3,000 tasks."""
    sim: Any = simulator("mitosis")
    sim.LAM, sim.MU = lam, mu
    world = sim.W(seed)
    worth = np.array([[world.eval(k, split)[0] for split in (0, 1)] for k in range(world.t)])
    found: dict[str, float] = {}
    for rule in (Ours(lam, mu), sim.Loom(), sim.Never(), sim.Learned()):
        rng, total = np.random.default_rng([seed, 6]), 0.0
        for k in range(world.t):
            split = bool(rule.choose(world, k, rng))
            got, score, cost, time, _ = world.eval(k, split)
            rule.update(world, k, split, score, cost, time)
            total += float(worth[k].max() - got)
        found[rule.name] = total
    return found


def main(argv: Sequence[str]) -> int:
    """Print mean regrets, and how often ours is worse than never splitting."""
    parser = argparse.ArgumentParser(prog="benchmarks.market_split", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seed0", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(argv)
    kept: dict[str, list[dict[str, float]]] = {}
    print(f"{'λ/μ':10}{'ours':>8}{'threshold':>11}{'never':>8}{'of it':>8}{'worse than never':>22}")
    for lam, mu in RATES:
        seeds = range(asked.seed0, asked.seed0 + asked.seeds)
        rows = kept[f"{lam}/{mu}"] = [regrets(seed, lam, mu) for seed in seeds]
        ours, threshold, never = (
            fmean(row[name] for row in rows) for name in ("ours", "loom_0.7", "never")
        )
        worse = [row["ours"] - row["never"] for row in rows if row["ours"] > row["never"]]
        said = f"{len(worse)} seeds, by {max(worse, default=0.0):.1f}"
        share = ours / threshold
        print(f"{lam}/{mu:<5}{ours:8.1f}{threshold:11.1f}{never:8.1f}{share:8.2f}{said:>22}")
    if asked.json:
        asked.json.write_text(json.dumps(kept), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
