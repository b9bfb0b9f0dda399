# ruff: noqa: ANN401 -- the simulator's values have no types
"""The production market inside the market simulator: `python -m benchmarks.market --seeds 20`.

Registers our rules as `ours` and takes the simulator's own options. It runs where the simulator's
folder exists: under `LOOM_BENCH`, or beside this checkout.
"""

import importlib
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cluster.core import auction, lifecycle, posterior

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Ours:
    """The simulator's policy over our rows: `auction.hold` chooses, `posterior.settle` learns."""

    name, lifecycle = "ours", False

    def reset(self, info: Any) -> None:
        self.info = info
        self.family_of = [str(f) for f in info.family]
        self.families = dict.fromkeys(self.family_of, posterior.FAMILY_START)
        self.family_domains: dict[str, dict[str, posterior.Gaussian]] = {
            f: {} for f in self.family_of
        }
        self.nodes = [posterior.NODE_START] * info.n
        self.capabilities: list[dict[str, posterior.Capability]] = [{} for _ in range(info.n)]
        self.declared = [frozenset({str(d)}) if d >= 0 else frozenset() for d in info.declared]
        self.circuits = [lifecycle.CIRCUIT_CLOSED] * info.n
        self.weights: dict[int, dict[str, float]] = {}
        self.terms = auction.BidTerms(cost_weight=info.lam, wait_weight=info.mu)

    def standing(self, node: int) -> posterior.Standing:
        family = self.family_of[node]
        return posterior.Standing(
            family=self.families[family],
            family_domains=self.family_domains[family],
            node=self.nodes[node],
            capabilities=self.capabilities[node],
            declared=self.declared[node],
        )

    def choose(self, task: Any, nodes: Any, _rng: Any) -> int:
        cosines = {str(d): float(c) for d, c in enumerate(self.info.centroids @ task.emb)}
        weights = self.weights[task.id] = posterior.domain_weights(cosines, str(task.domain))
        candidates = [
            auction.Candidate(
                node_id=f"{i:04}",
                family_id=self.family_of[i],
                skill=posterior.predict(self.standing(i), weights, task.complexity),
                price=float(nodes.price[i]),
                wait_s=float(nodes.wait[i]),
                busy=1 if nodes.load[i] > 0 else 0,
                circuits=(self.circuits[i],),
            )
            for i in range(self.info.n)
            if nodes.alive[i]
        ]
        result = auction.hold(
            candidates,
            auction.Requirement(x=task.complexity),
            seed=auction.Seed(task_id=f"{task.id}@{task.now}", cycle=1),
            now=at(task.now),
            terms=self.terms,
        )
        # The simulator has no task that waits: with every circuit open, somebody has to take it.
        return int(result.winner.node_id if result.winner else candidates[0].node_id)

    def update(self, result: Any) -> None:
        node, weights = result.node, self.weights.pop(result.task.id)
        if not result.ok:
            self.circuits[node] = lifecycle.hard_error(self.circuits[node], now=at(result.now))
            return
        self.circuits[node] = lifecycle.CIRCUIT_CLOSED
        settled = posterior.settle(
            self.standing(node), weights, result.task.complexity, result.reward
        )
        family = self.family_of[node]
        self.families[family] = settled.family
        self.family_domains[family].update(settled.family_domains)
        self.nodes[node] = settled.node
        self.capabilities[node].update(settled.capabilities)


def at(tick: float) -> datetime:
    """Return the time of a tick: one is a circuit's unit."""
    return EPOCH + timedelta(seconds=lifecycle.CIRCUIT_UNIT_S * float(tick))


def simulator() -> Path | None:
    """Return the folder that holds the simulator's package, or None."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "bench"
    root = Path(os.environ.get("LOOM_BENCH") or beside)
    return next((p for p in (root / "market", root) if (p / "sim" / "cli.py").is_file()), None)


def run(argv: list[str], policies: dict[str, type]) -> int:
    """Run the simulator with these policies among its own."""
    folder = simulator()
    if folder is None:
        print("no market simulator: set LOOM_BENCH to the folder of benchmarks", file=sys.stderr)
        return 2
    sys.path.insert(0, str(folder))
    cli: Any = importlib.import_module("sim.cli")
    for name, policy in policies.items():
        cli.register(name, policy)
    cli.main(argv)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], {"ours": Ours}))
