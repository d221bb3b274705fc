"""The table of the README that says what the campaigns came to: made from the records, and from nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns.campaign import Campaign
from tests.campaigns.catalogue import CAMPAIGNS
from tests.campaigns.record import RESULTS, Record, read_record

HEADER = "| campaign | what | done | violations |"


def table_lines() -> list[str]:
    """The table, line by line: every campaign, whether or not anything of it was run."""
    records = {campaign.name: read_record(RESULTS / f"{campaign.name}.json") for campaign in CAMPAIGNS.values()}
    rows = [_row(campaign, records[campaign.name]) for campaign in CAMPAIGNS.values()]
    return [HEADER, "| --- | --- | --- | --- |", *rows]


def write_table(readme: Path) -> None:
    """Put the table where the one before stands in `readme`."""
    text = readme.read_text()
    start = text.index(HEADER)
    end = text.index("\n\n", start)
    readme.write_text(text[:start] + "\n".join(table_lines()) + text[end:])


def _row(campaign: Campaign, record: Record) -> str:
    done = f"{record.units:,} of {campaign.units:,} {campaign.unit}"
    violations = f"{len(record.outcome.violations):,}" if record.units else "-"
    return f"| `{campaign.name}` | {campaign.about} | {done} | {violations} |"
