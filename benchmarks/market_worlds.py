# ruff: noqa: ANN401 -- the simulator's values have no types
"""The market in worlds that its simulator does not ship: `python -m benchmarks.market_worlds`.

Skills that follow another kernel than the one believed in, more domains than factors, scores that
are not of good and bad answers, falls in one domain only. Prints the mean regret of ours, LinUCB
and the simulator's first rules as multiples of the judged auction's, with `--json FILE` each run's.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.market import Ours, simulator

BASE = "loom_judged"
Score = Callable[[Any, Any], float]
"""The score of a result in a world, in place of the simulator's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One thing that is different from a shipped scenario.

    Attributes:
        of: The scenario.
        changed: Fields of it.
        kernel: Covariance of skill between domains, from the cosine of their centroids.
        falls: In this many of the busiest domain's best nodes, that domain alone falls by 3.
        score: How results are scored.
    """

    of: str = "stationary"
    changed: dict[str, Any] = field(default_factory=dict[str, Any])
    kernel: Callable[[Any], Any] | None = None
    falls: int = 0
    score: Score | None = None


def chance(lo: float, hi: float, sd: float) -> Score:
    """Scores tell the chance of success, with noise: one hump, not two."""

    def score(world: Any, result: Any) -> float:
        told = lo + (hi - lo) * float(world.P[result.task.id, result.node])
        return told + sd * float(world.nz[result.task.id, 0])

    return score


def checks(count: int) -> Score:
    """Scores are shares of checks passed, each with the chance of success."""

    def score(world: Any, result: Any) -> float:
        rng = np.random.default_rng([world.seed, 78, result.task.id])
        return float((rng.random(count) < world.P[result.task.id, result.node]).mean())

    return score


def around(weight: float) -> Score:
    """Scores are drawn from a beta distribution around the chance of success."""

    def score(world: Any, result: Any) -> float:
        rng = np.random.default_rng([world.seed, 79, result.task.id])
        p = float(world.P[result.task.id, result.node])
        return float(rng.beta(weight * p, weight * (1.0 - p)))

    return score


def outcomes(lo: float, hi: float, sd: float) -> Score:
    """Good and bad answers whose scores lie so near each other that they make one hump."""

    def score(world: Any, result: Any) -> float:
        k = result.task.id
        good = world.u[k, 0] < world.P[k, result.node]
        return (hi if good else lo) + sd * float(world.nz[k, 0])

    return score


def unrelated(cosines: Any) -> Any:
    return np.eye(len(cosines))


TRIALS = {
    "kernel_unrelated": Trial(kernel=unrelated),
    "kernel_narrow": Trial(kernel=lambda c: np.exp(6.0 * (c - 1.0))),
    "kernel_wide": Trial(kernel=lambda c: np.exp(0.5 * (c - 1.0))),
    "kernel_linear": Trial(kernel=lambda c: (1.0 + c) / 2.0),
    "domains_20": Trial(changed={"d": 20}),
    "domains_40": Trial(changed={"d": 40}),
    "one_hump": Trial(score=chance(0.2, 0.8, 0.12)),
    "one_hump_sharp": Trial(score=chance(0.2, 0.9, 0.05)),
    "one_hump_blurred": Trial(score=chance(0.2, 0.9, 0.2)),
    "one_hump_narrow": Trial(score=chance(0.4, 0.7, 0.1)),
    "one_hump_beta": Trial(score=around(8.0)),
    "one_hump_merged": Trial(score=outcomes(0.4, 0.65, 0.15)),
    "one_hump_junk": Trial(of="noisy30", score=chance(0.2, 0.9, 0.12)),
    "one_hump_drift": Trial(of="drift", score=chance(0.2, 0.8, 0.12)),
    "checks_5": Trial(score=checks(5)),
    "one_domain_falls": Trial(of="drift", falls=3),
    "one_domain_all_fall": Trial(of="drift", falls=24),
}


@dataclass(slots=True)
class Scored:
    """A policy that hears other scores than the simulator's."""

    inner: Any
    world: Any
    score: Score
    name: str = "scored"
    lifecycle: bool = False

    def reset(self, info: Any) -> None:
        self.inner.reset(info)

    def choose(self, task: Any, nodes: Any, rng: Any) -> int:
        return self.inner.choose(task, nodes, rng)

    def update(self, result: Any) -> None:
        # Outages keep their score, and so does a judge that throws dice.
        if result.ok and self.world.u[result.task.id, 1] >= self.world.s.junk:
            score = min(max(self.score(self.world, result), 0.0), 1.0)
            result = result._replace(reward=score)
        self.inner.update(result)


def world_of(core: Any, trial: Trial, seed: int, tasks: int | None) -> Any:
    """Return the world of a trial."""
    scenario = replace(core.SCENARIOS[trial.of], **trial.changed)
    if tasks:
        scenario = replace(scenario, t=tasks)
    world = core.World(scenario, seed)
    if trial.kernel is None and not trial.falls:
        return world
    rng = np.random.default_rng([seed, 77])
    if trial.kernel is not None:
        world.theta = skills(world, trial.kernel, rng)
    after = world.theta.copy()
    if trial.falls:
        busiest = int(np.bincount(world.dom).argmax())
        after[np.argsort(-world.theta[:, busiest])[: trial.falls], busiest] -= 3.0
        world.dud[:] = world._dud0[:] = False  # noqa: SLF001 -- nobody is bad as a whole
    elif scenario.drift:
        after[world.drifting] -= 2.0
    for part, theta in (
        (slice(0, world.k_event), world.theta),
        (slice(world.k_event, scenario.t), after),
    ):
        reach = theta[:, world.dom[part]].T + 0.6 - world.slope * (world.x[part, None] - 0.35)
        world.P[part] = world.lapse + (1 - 2 * world.lapse) * core.ndtr(reach)
    return world


def skills(world: Any, kernel: Callable[[Any], Any], rng: Any) -> Any:
    """Return skills drawn anew with this kernel; levels and bad nodes stay."""
    s = world.s
    root = np.linalg.cholesky(kernel(world.cent @ world.cent.T) + 1e-6 * np.eye(s.d))
    family = (root @ rng.normal(size=(s.d, s.families))).T * s.fam_sd
    own = (root @ rng.normal(size=(s.d, s.n))).T * s.ind_sd
    level = world.theta.mean(1, keepdims=True)
    drawn = level + family[world.family] + own
    return np.where(world.dud[:, None], world.theta, drawn)


def regrets(
    trial: Trial, policies: dict[str, Any], seed: int, tasks: int | None
) -> dict[str, float]:
    """Return each policy's regret in one world."""
    core = simulator("core")
    world = world_of(core, trial, seed, tasks)
    oracle = core.run(simulator("policies").Oracle(), world.s, seed, world)
    found: dict[str, float] = {}
    for name, make in policies.items():
        policy = make() if trial.score is None else Scored(make(), world, trial.score)
        trace = core.run(policy, world.s, seed, world)
        found[name] = float((oracle.eu - trace.eu).sum())
    return found


def main(argv: Sequence[str]) -> int:
    """Run the trials and print their table."""
    parser = argparse.ArgumentParser(prog="benchmarks.market_worlds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seed0", type=int, default=0)
    parser.add_argument("--tasks", type=int, help="as the scenario has it, unless given")
    parser.add_argument("--trials", default=",".join(TRIALS))
    parser.add_argument("--policies", default="ours,loom_judged,lin_ucb,market")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(argv)
    known = {**simulator("cli").POLICIES, Ours.name: Ours}
    policies = {name: known[name] for name in asked.policies.split(",")}
    print(f"{'trial':22}" + "".join(f"{name:>12}" for name in policies) + f"{'worst ours':>12}")
    kept: dict[str, list[dict[str, float]]] = {}
    for name in asked.trials.split(","):
        seeds = range(asked.seed0, asked.seed0 + asked.seeds)
        rows = kept[name] = [
            regrets(TRIALS.get(name) or Trial(of=name), policies, seed, asked.tasks)
            for seed in seeds
        ]
        base = fmean(row[BASE] for row in rows) if BASE in policies else 1.0
        shares = [fmean(row[policy] for row in rows) / base for policy in policies]
        worst = max(row[Ours.name] / row.get(BASE, 1.0) for row in rows)
        print(f"{name:22}" + "".join(f"{v:12.2f}" for v in [*shares, worst]), flush=True)
        if asked.json:
            asked.json.write_text(json.dumps(kept), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
