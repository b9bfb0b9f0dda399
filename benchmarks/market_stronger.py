# ruff: noqa: ANN401 -- the simulator's values have no types
"""The stronger rules in the market simulator, as `stronger` beside `ours`.

`python -m benchmarks.market_stronger --policies stronger,ours,loom_judged --seeds 20`. Every result
goes through the floats of its database rows, so that what is measured is what rows can hold.
"""

import sys
from typing import Any

from benchmarks.market import Ours, at, run
from cluster.core import auction, evaluator, lifecycle, sensing, skill

SLOTS = 2


class Stronger:
    """The simulator's policy over the stronger rules' rows."""

    name, lifecycle = "stronger", False

    def reset(self, info: Any) -> None:
        self.info = info
        self.space = skill.space({str(d): list(c) for d, c in enumerate(info.centroids.tolist())})
        self.family_of = [str(f) for f in info.family]
        self.families: dict[str, list[float]] = {}
        self.family_beliefs: dict[str, skill.FamilyBelief] = {}
        for family in self.family_of:
            self._keep_family(family, skill.family_start(self.space))
        declared = [[str(d)] if d >= 0 else [] for d in info.declared]
        self.nodes: list[list[float]] = [[] for _ in declared]
        self.beliefs: dict[int, skill.NodeBelief] = {}
        for i, domains in enumerate(declared):
            self._keep_node(i, skill.node_start(self.space, declared=domains))
        self.channel, self.trust = evaluator.CHANNEL_START, sensing.Trust()
        self.circuits = [lifecycle.CIRCUIT_CLOSED] * info.n
        self.family_circuits = dict.fromkeys(self.family_of, lifecycle.CIRCUIT_CLOSED)
        self.under_way = [0] * info.n
        self.asked: dict[int, list[float]] = {}

    def choose(self, task: Any, nodes: Any, _rng: Any) -> int:
        cosines = {str(d): float(c) for d, c in enumerate(self.info.centroids @ task.emb)}
        label = str(task.domain)
        weights = sensing.weigh(cosines, label, self.trust, size=len(task.emb))
        self.trust = sensing.learn(self.trust, cosines, label, weights)
        asked = self.asked[task.id] = skill.features(self.space, weights, task.complexity)
        lo, hi = evaluator.scale(self.channel)
        candidates = [
            auction.Candidate(
                node_id=f"{i:04}",
                family_id=family,
                skill=skill.predict(self.beliefs[i], self.family_beliefs[family], asked),
                price=float(nodes.price[i]),
                wait_s=float(nodes.wait[i]),
                busy=self.under_way[i],
                slots=SLOTS,
                circuits=(self.circuits[i], self.family_circuits[family]),
            )
            for i, family in enumerate(self.family_of)
            if nodes.alive[i]
        ]
        result = auction.hold(
            candidates,
            auction.Requirement(x=task.complexity),
            seed=auction.Seed(task_id=f"{task.id}@{task.now}", cycle=1),
            now=at(task.now),
            terms=auction.BidTerms(
                cost_weight=self.info.lam, wait_weight=self.info.mu, lo=lo, hi=hi
            ),
            rule=auction.STRONGER_RULE,
        )
        node = int(result.winner.node_id if result.winner else candidates[0].node_id)
        self.under_way[node] += 1
        return node

    def update(self, result: Any) -> None:
        node, family = result.node, self.family_of[result.node]
        asked = self.asked.pop(result.task.id)
        self.under_way[node] -= 1
        if not result.ok:
            now, own, shared = at(result.now), self.circuits, self.family_circuits
            own[node] = lifecycle.hard_error(own[node], now=now)
            shared[family] = lifecycle.hard_error(shared[family], now=now)
            return
        self.circuits[node] = self.family_circuits[family] = lifecycle.CIRCUIT_CLOSED
        seen = evaluator.read(self.channel, result.reward)
        standing = skill.SkillStanding(
            node=skill.node_from_row(self.space, self.nodes[node]),
            family=skill.family_from_row(self.space, self.families[family]),
        )
        settled = skill.settle(
            self.space,
            standing,
            skill.Observation(features=asked, good=seen.good, bad=seen.bad),
        )
        self.channel = evaluator.learn(self.channel, result.reward, settled.p)
        self._keep_node(node, settled.node)
        self._keep_family(family, settled.family)

    def _keep_node(self, node: int, evidence: skill.NodeEvidence) -> None:
        self.nodes[node] = skill.node_row(evidence)
        self.beliefs[node] = skill.node_belief(self.space, evidence)

    def _keep_family(self, family: str, evidence: skill.FamilyEvidence) -> None:
        self.families[family] = skill.family_row(evidence)
        self.family_beliefs[family] = skill.family_belief(self.space, evidence)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], {"ours": Ours, "stronger": Stronger}))
