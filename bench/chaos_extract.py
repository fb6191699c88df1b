"""`make chaos-extract`: kill the path from vendor to warehouse at seeded points, resume, compare with the truth.

Workers are killed with SIGKILL around every page, part upload, manifest write, deletion of leftovers, statement of the
load and asset update; around the seal and the load of each checkpoint of a long reading, at a deferral for the vendor's
limit and at the hand-over to a later try. They are run again as Airflow's retries would. Each point is proven by its
worker's exit status. The last line is one JSON object; the exit status is not 0 unless every point fired, nothing
differs and no kill cost more pages than a checkpoint has.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import boto3
import google.auth.transport.requests
import google.oauth2.service_account  # noqa: F401 - before the forks, once for all workers
import snowflake.connector  # noqa: F401 - this one too

from bench.chaos.campaign import BORDERS, STREAMS, Campaign, parents_first
from bench.chaos.judge import judge, read_batches, read_rows
from bench.chaos.points import Site
from bench.chaos.stack import CREDENTIALS, Stack, running
from bench.chaos.worker import Workers
from bench.verdict import Verdict
from catchment.extract.privacy import Privacy
from catchment.sources import source
from catchment.warehouse import session
from catchment.warehouse.session import Session


def main() -> int:
    args = _arguments()
    began = time.monotonic()
    boto3.client("s3", region_name=CREDENTIALS["AWS_DEFAULT_REGION"])  # loads what its client is made from
    dice = random.Random(args.seed)
    streams = parents_first(args.streams)
    with (
        tempfile.TemporaryDirectory(prefix="catchment-chaos-") as folder,
        running(Path(folder), seed=args.seed, scale=args.scale, first_port=args.first_port) as stack,
    ):
        _say(f"The servers are up after {time.monotonic() - began:.0f} s; seed {args.seed}, {args.points} kill points")
        campaign = Campaign(stack, Workers(stack.connections), dice, args.points, report=_say)
        campaign.run(streams, BORDERS[-1 - args.intervals :])
        verdict = compare(stack, campaign, streams)
        checkpoints = stack.checkpoints()
    fired = sum(campaign.fired.values())
    _say(" · ".join(f"{site} {campaign.fired[site]}" for site in Site))
    _say(f"{time.monotonic() - began:.0f} s")
    print(
        json.dumps(
            {
                "kill_points": campaign.dealt,
                "fired": fired,
                "lost": verdict.lost,
                "duplicated": verdict.duplicated,
                "stale": verdict.stale,
                "checkpoints": checkpoints,
                "pages_read_again": campaign.pages_again,
            }
        )
    )
    all_fired = fired == campaign.dealt == args.points
    return 0 if verdict.good and all_fired and not campaign.too_many_again else 1


def compare(stack: Stack, campaign: Campaign, streams: Sequence[str]) -> Verdict:
    """The verdict over all streams, each with a line of its own."""
    total = Verdict()
    opened = session.connect(stack.connections["snowflake_default"])
    try:
        for name in streams:
            verdict = _of_stream(stack, campaign, opened, name)
            total += verdict
    finally:
        opened.close()
    return total


def _of_stream(stack: Stack, campaign: Campaign, opened: Session, name: str) -> Verdict:
    of, _, short = name.partition(".")
    stream = source(of).stream(short)
    privacy = Privacy(
        secret=stream.secret, personal=stream.personal, key=stack.connections["catchment_pii"].password.encode()
    )
    vendors = stack.truth(of, short)
    hidden = privacy.apply(list(vendors.values())).lines.splitlines()
    truth = {key: json.loads(record) for key, record in zip(vendors, hidden, strict=True)}
    batches = read_batches(opened, of, short)
    rows = read_rows(opened, of, stream, key_length=len(next(iter(truth), ())))
    unannounced = [batch for batch in batches if batch.complete and not campaign.assets[batch.batch]]
    verdict = judge(stream, batches, rows, truth) + Verdict(lost=sum(batch.rows for batch in unannounced))
    _say(
        f"{name}: {len(batches)} batches, {len(rows)} rows in raw, {len(truth)} records in the truth, "
        f"lost {verdict.lost}, duplicated {verdict.duplicated}, stale {verdict.stale}"
    )
    for example in verdict.examples:
        _say(f"    {example}")
    return verdict


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos_extract", description=__doc__)
    parser.add_argument("--points", type=int, default=220, help="how many kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=0.3, help="of the synthetic company")
    parser.add_argument("--streams", nargs="+", default=STREAMS, metavar="SOURCE.STREAM")
    parser.add_argument("--intervals", type=int, choices=range(1, len(BORDERS)), default=len(BORDERS) - 1)
    parser.add_argument("--first-port", type=int, default=0, help="of three for the servers; 0: any")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
