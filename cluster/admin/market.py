"""Pages of the population and its market."""

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.core.splitting import BINS
from cluster.models import (
    Auction,
    Bid,
    Domain,
    Family,
    MarketEntry,
    SplitCell,
)
from loomsite.access.admin.display import (
    ago,
    number,
    row,
    short,
    task_link,
)
from loomsite.access.admin.filters import filter_of
from loomsite.access.admin.reach import OPERATOR


@admin.register(Domain)
class DomainAdmin(ClusterAdmin):
    adds = changes = OPERATOR
    list_display = (
        "slug", short("description", chars=120), "state", "origin", number("task_n"),
        ago("seen_at"),
    )  # fmt: skip
    list_filter = ("state", "origin")
    search_fields = ("slug", "description")
    add_fieldsets = ((None, {"fields": ("workspace", "slug", "description")}),)
    change_fieldsets = (
        *add_fieldsets,
        ("Learned", {"fields": ("state", "origin", "task_n", "seen_at")}),
    )
    # Capabilities and goals refer to the slug; the rest follows the goals that come in.
    readonly_fields = ("slug", "state", "origin", "task_n", "seen_at")
    empty = (
        "Domains are kinds of work; a goal is compared with their descriptions. Goals unlike all "
        "of them that are like one another form a new one."
    )


@admin.register(Family)
class FamilyAdmin(ClusterAdmin):
    list_display = ("slug", number("m"), number("v"), number("slope_m"), number("slope_v"), "rev")
    search_fields = ("slug",)
    empty = "A family is the line of a blueprint: what one learns is a head start for the next."


@admin.register(SplitCell)
class SplitCellAdmin(ClusterAdmin):
    list_display = ("domain_or_all", "arm", "complexity", number("n"), "worth")
    list_display_links = ("domain_or_all",)
    list_filter = ("arm",)
    search_fields = ("domain",)
    ordering = ("workspace", "domain", "bin", "arm")
    empty = "What working alone and splitting were worth, once tasks of both kinds were judged."

    @display(description="domain")
    def domain_or_all(self, cell: SplitCell) -> str:
        return cell.domain or "all domains"

    @display(description="complexity")
    def complexity(self, cell: SplitCell) -> str:
        return f"{cell.bin / BINS:.2f} to {(cell.bin + 1) / BINS:.2f}"

    @display(description="beyond the forecast, on average")
    def worth(self, cell: SplitCell) -> str:
        return f"{cell.total / cell.n:+.2f}" if cell.n else "not seen"


# ---------------------------------------------------------------- the journal of the market


@admin.register(Auction)
class AuctionAdmin(ClusterAdmin):
    workspace_path = "task__workspace"
    called = "Auction of cycle {row.cycle}: {row.task.goal}"
    list_display = (
        "of", "cycle", row("winner__agent", "winner"), short("reason", chars=100), "left_out",
        "pinned", ago("held_at"),
    )  # fmt: skip
    list_display_links = ("cycle",)
    list_select_related = ("winner__agent",)
    list_filter = ("pinned",)
    id_fields = ("id", "task_id")
    defer = ("terms", "weights", "tools", "excluded")
    change_form_template = "loom/admin/auction.html"
    empty = "Each cycle of a task holds one sealed auction. Submit a task to see one."

    @display(description="task")
    def of(self, auction: Auction) -> SafeString | str:
        return task_link(auction.task_id)


@admin.register(Bid)
class BidAdmin(ClusterAdmin):
    workspace_path = "auction__task__workspace"
    called = "Bid of {row.node.agent}: {row.bid:.3f}"
    list_display = (
        "of", "rank", row("node__agent", "agent"), number("bid", digits=3),
        number("quality", digits=3), number("cost_term", digits=3), number("wait_term", digits=3),
        "probe",
    )  # fmt: skip
    list_display_links = ("rank",)
    list_select_related = ("auction", "node__agent")
    id_fields = ("auction__task_id", "auction_id")
    ordering = ("-id",)
    empty = "Bids are sealed, and kept with every term."

    @display(description="task")
    def of(self, bid: Bid) -> SafeString | str:
        return task_link(bid.auction.task_id)


@admin.register(MarketEntry)
class MarketEntryAdmin(ClusterAdmin):
    workspace_path = "node__workspace"
    called = "{row.kind} {row.rev} of {row.family}"
    list_display = (
        row("family"), "rev", "of", "cycle", row("node__agent", "agent"), "kind", number("score"),
        ago("at"),
    )  # fmt: skip
    list_display_links = ("rev",)
    list_select_related = ("family", "node__agent")
    list_filter = (("kind", filter_of(MarketEntry.KINDS)),)
    id_fields = ("task_id", "node_id")
    ordering = ("-id",)
    defer = ("weights", "terms")
    empty = "Every update of what is known of a node, so that it can be replayed."

    @display(description="task")
    def of(self, entry: MarketEntry) -> SafeString | str:
        return task_link(entry.task_id) if entry.task_id else ""
