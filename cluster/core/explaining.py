"""Why an auction ended as it did, in a sentence."""

from cluster.core.auction import AuctionResult, Bid


def explain(result: AuctionResult) -> str:
    """Return one sentence: why the winner won, or why nobody did."""
    total = sum(result.excluded.values())
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(result.excluded.items()))
    barred = f"{total} could not bid ({reasons})" if total else "nobody was barred"
    winner = result.winner
    if winner is None:
        here = barred if total else "no agent is in service"
        return f"Nobody could take the task: {here}."
    if winner.probe:
        return (
            f"{winner.node_id} is in quarantine and was tried on this task as a probe, "
            f"ahead of {len(result.bids) - 1} bids; {barred}."
        )
    made_of = (
        f"expected quality {winner.quality:.2f}, of it {winner.bonus:+.2f} for being unsure of it, "
        f"cost -{winner.cost_term:.2f}, waiting -{winner.wait_term:.2f}, "
        f"load -{winner.load_term:.2f}"
    )
    if len(result.bids) == 1:
        return (
            f"{winner.node_id} won as the only bidder with {winner.bid:.2f} ({made_of}); {barred}."
        )
    second = result.bids[1]
    return (
        f"{winner.node_id} won with {winner.bid:.2f} ({made_of}) before {second.node_id} with "
        f"{second.bid:.2f}, mainly by {_advantage(winner, second)}; "
        f"{len(result.bids)} bid, {barred}."
    )


def advice(result: AuctionResult) -> str:
    """Return what people can do where nobody could take a task, for each reason that barred one."""
    said = [todo for reason, todo in _TODO.items() if result.excluded.get(reason)]
    return "; ".join(said) or "add an agent, or bring one back"


_TODO = {
    "tools": "grant an agent the tools it lacks",
    "policy": "change the scene that forbids it",
    "budget": "raise the budget",
}


def _advantage(winner: Bid, second: Bid) -> str:
    """Name the term that separated the two best bids."""
    differences = (
        (winner.quality - second.quality, _better(winner, second)),
        (second.cost_term - winner.cost_term, "lower cost"),
        (second.wait_term - winner.wait_term, "shorter waiting"),
        (second.load_term - winner.load_term, "a freer slot"),
    )
    gain, name = max(differences)
    return f"{name} (+{gain:.2f})" if gain > 0 else "the order of node ids"


def _better(winner: Bid, second: Bid) -> str:
    """Say whether it is what is known of a node, or what is not, that lifts its quality."""
    known = (winner.quality - winner.bonus) - (second.quality - second.bonus)
    return "expected quality" if known > winner.bonus - second.bonus else "being worth a try"
