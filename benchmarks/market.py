# ruff: noqa: ANN401 -- the simulator's values have no types
"""The production market inside the market simulator: `python -m benchmarks.market --seeds 20`.

Registers our rules as `ours` and takes the simulator's own options. The simulator's folder is
`LOOM_BENCH`, or lies beside this checkout.
"""

import importlib
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cluster.core import auction, factors, lifecycle, market, sensing, skill

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SLOTS = 2


class Ours:
    """The simulator's policy over our rows: `market.choose` decides, `market.learn` learns."""

    name, lifecycle = "ours", False

    def reset(self, info: Any) -> None:
        self.info = info
        at = factors.space({str(d): list(c) for d, c in enumerate(info.centroids.tolist())})
        self.book = market.Book(space=at)
        self.terms = auction.BidTerms(cost_weight=info.lam, wait_weight=info.mu)
        self.family_of = [int(f) for f in info.family]
        declared = [[str(d)] if d >= 0 else [] for d in info.declared]
        self.nodes = [skill.node_start(at, declared=domains) for domains in declared]
        self.families = [skill.family_start()] * (max(self.family_of) + 1)
        self.field = skill.Field(at, node_count=info.n, family_of=self.family_of)
        self.field.put_nodes(0, self.nodes)
        self.field.put_families(0, self.families)
        self.circuits = [lifecycle.CIRCUIT_CLOSED] * info.n
        self.family_circuits = [lifecycle.CIRCUIT_CLOSED] * len(self.families)
        self.under_way = [0] * info.n
        self.works: dict[int, market.Work] = {}

    def choose(self, task: Any, nodes: Any, _rng: Any) -> int:
        cosines = {str(d): float(c) for d, c in enumerate(self.info.centroids @ task.emb)}
        label = str(task.domain)
        work = self.works[task.id] = market.Work(
            weights=sensing.weigh(cosines, label, self.book.trust),
            x=task.complexity,
            similarities=cosines,
            label=label,
        )
        candidates = {
            i: auction.Candidate(
                node_id=f"{i:04}",
                family_id=str(family),
                price=float(nodes.price[i]),
                wait_s=float(nodes.wait[i]),
                busy=self.under_way[i],
                slots=SLOTS,
                circuits=(self.circuits[i], self.family_circuits[family]),
            )
            for i, family in enumerate(self.family_of)
            if nodes.alive[i]
        }
        result = market.choose(
            self.book,
            self.field,
            candidates,
            work=work,
            requirement=auction.Requirement(x=work.x),
            seed=auction.Seed(task_id=f"{task.id}@{task.now}", cycle=1),
            now=at(task.now),
            terms=self.terms,
        )
        # No task waits here: with every circuit open, somebody has to take it.
        node = int(result.winner.node_id) if result.winner else next(iter(candidates))
        self.under_way[node] += 1
        return node

    def update(self, result: Any) -> None:
        node, family = result.node, self.family_of[result.node]
        work = self.works.pop(result.task.id)
        self.under_way[node] -= 1
        if not result.ok:
            for circuits, one in ((self.circuits, node), (self.family_circuits, family)):
                circuits[one] = lifecycle.hard_error(circuits[one], now=at(result.now))
            return
        self.circuits[node] = self.family_circuits[family] = lifecycle.CIRCUIT_CLOSED
        standing = skill.Standing(node=self.nodes[node], family=self.families[family])
        learned = market.learn(self.book, standing, work, result.reward)
        self.book = replace(self.book, channel=learned.book.channel, trust=learned.book.trust)
        self.nodes[node], self.families[family] = learned.settled.node, learned.settled.family
        self.field.put_nodes(node, [self.nodes[node]])
        self.field.put_families(family, [self.families[family]])


def at(tick: float) -> datetime:
    """Return the time of a tick: one is a circuit's unit."""
    return EPOCH + timedelta(seconds=lifecycle.CIRCUIT_UNIT_S * float(tick))


def simulator(module: str) -> Any:
    """Return a module of the simulator; without its folder, end with what to set."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "bench"
    root = Path(os.environ.get("LOOM_BENCH") or beside)
    found = [p for p in (root / "market", root) if (p / "sim" / "cli.py").is_file()]
    if not found:
        sys.exit("no market simulator: set LOOM_BENCH to the folder of benchmarks")
    if str(found[0]) not in sys.path:
        sys.path.insert(0, str(found[0]))
    return importlib.import_module(f"sim.{module}")


if __name__ == "__main__":
    simulator("cli").register(Ours.name, Ours)
    simulator("cli").main(sys.argv[1:])
