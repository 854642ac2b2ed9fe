"""``python -m benchmarks``: measure, print, and write tables and plots."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import cold, documents, durable, fanout, latency, storm, table
from benchmarks.errors import MeasurementFailed
from benchmarks.peers import PEERS, install
from benchmarks.plot import draw
from benchmarks.process import Cores, running_on
from benchmarks.results import read_results, summarise, write_results
from benchmarks.servers import Syncroom
from benchmarks.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.servers import Kind
    from benchmarks.suite import ClaimModule, Sample

CLAIMS: dict[str, ClaimModule] = {
    module.CLAIM.name: module for module in (fanout, latency, documents, cold, storm, durable)
}
SERVERS = (table.OURS, *PEERS)
_SUITE_S_MAX = 8 * 60
"""Past it, claims that are not begun yet get one round only."""

_say = Console(highlight=False, soft_wrap=True, markup=False).print


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; the exit code is 1 if a measurement of syncroom failed."""
    chosen = _parser().parse_args(arguments)
    if sys.platform != "linux":
        _say("The suite reads processor time from /proc and pins processes: it needs Linux.")
        return 2
    _allow_many_sockets()
    kinds, missing = _prepare(chosen.servers, chosen.cache)
    suite = Suite(
        kinds=kinds,
        cores=Cores.of_this_machine(),
        cache=chosen.cache,
        is_quick=chosen.quick,
        deadline=time.monotonic() + _SUITE_S_MAX,
    )
    failed = False
    with running_on(suite.cores.load):
        for name in chosen.claims or CLAIMS:
            samples = _measure(suite, CLAIMS[name])
            _write(suite, CLAIMS[name], samples, missing, chosen.out)
            failed |= any(each.failure and each.server == table.OURS for each in samples)
    _say(f"Written: {chosen.out.with_suffix('.md')}, {chosen.out}/")
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure syncroom beside its peers."
    )
    parser.add_argument(
        "claims", nargs="*", choices=[*CLAIMS, []], metavar="claim", help=", ".join(CLAIMS)
    )
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=SERVERS, metavar="name")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--cache", type=Path, default=Path(".bench"))
    return parser


def _allow_many_sockets() -> None:
    """A thousand documents take more files than shells allow; servers inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prepare(names: Sequence[str], cache: Path) -> tuple[list[Kind], dict[str, str]]:
    kinds: list[Kind] = []
    missing: dict[str, str] = {}
    for name in names:
        try:
            kinds.append(Syncroom() if name == table.OURS else install(name, cache.resolve()))
        except MeasurementFailed as error:
            missing[name] = str(error)
            _say(f"{name} can't be measured: {error}")
    return kinds, missing


def _measure(suite: Suite, module: ClaimModule) -> list[Sample]:
    claim, samples = module.CLAIM, []
    _say(f"\n{claim.title}")
    for sample in module.measure(suite):
        samples.append(sample)
        shown = [
            f"{metric.label} {sample.values[metric.key]:,.{metric.digits}f}"
            for metric in claim.metrics
            if metric.key in sample.values
        ]
        said = "; ".join(shown) if sample.failure is None else f"FAILED: {sample.failure}"
        _say(f"  {sample.server:18}{sample.case:12}  {said}")
    return samples


def _write(
    suite: Suite, module: ClaimModule, samples: list[Sample], missing: dict[str, str], out: Path
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    results = read_results(out / "results.json")
    result = results.claims[module.CLAIM.name] = summarise(suite, samples, missing)
    write_results(out / "results.json", results)
    (out / f"{module.CLAIM.name}.svg").write_text(draw(module.CLAIM, result))
    claims = [each.CLAIM for each in CLAIMS.values()]
    table.write_page(out.with_suffix(".md"), claims, results, out.name)


if __name__ == "__main__":
    sys.exit(main())
