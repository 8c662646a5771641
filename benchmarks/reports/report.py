"""Everything that a run found, as Markdown."""

from collections.abc import Iterator

from benchmarks.measures.growth import Growth
from benchmarks.measures.workload import Measured
from benchmarks.reports.goals import goal_table
from benchmarks.reports.others import (
    clients_table,
    curve_table,
    load_table,
    match_table,
    share_table,
    stream_table,
    workers_table,
)
from benchmarks.reports.speeds import speed_table
from benchmarks.sections import Results

SPEEDS = """\
One run, every contender in a process of its own, in turn on every text. Speed is the median over texts and
repetitions of the library's time / the contender's time, for calls that followed each other; ligserve's calls
go through its client and its server. Peak memory is resident memory at its highest during the calls (for
ligserve the client, the front and the worker together; accuracies share them). True error is |sum of the
scores - difference| relative to the larger of |difference| and the sum of |scores|, where difference =
f(input) - f(baseline) is worked out apart with plain torch; of several targets the largest counts. A point is
a forward pass of one row and a backward pass for each of its targets. In 50 steps ligserve follows the
library's habits, to a tolerance the deployed model's: it explains no special tokens in W3, entailment against
contradiction in W5, and the likeliest span in W6, where the library explains the largest logits wherever they
wander. Models of W3 to W6 are the same encoder under random heads."""
MATCHES = """\
The library was asked the same texts with 50, 100, 200 ... steps (above 50 in batches of 50), each call beside
one of ours at 1 %, until nine in ten of its true errors were as small as nine in ten of ours. Measured."""
STREAMS = """\
Streams at 1 %, medians. The server's share of a call: client to client, less the time that the worker says it
had the request (`cost.compute_seconds` of the summary); of unary calls in 50 steps, medians."""
LOAD = """\
The same requests (short and long texts, 28 labels, every token's label, zero-shot, question answering) to the
library one after the other, each model in memory, and to one ligserve server by clients that send their next
one when they have an answer. Half of them are short texts: their latency alone and among the others, once all
clients have begun; in the last column with those that clients begin with, all at the same instant (where one
of them alone keeps all threads busy, the last of five takes five times as long, whoever is first)."""
WORKERS = "Half of those requests at 1 % from as many clients, to servers that share out the same threads."
SHARE = """\
BERT-base's shape, random weights. Operations of the rows (forward, and backward to the embeddings, counted by
torch with attention written out) over those that products of large float32 matrices did in the same time, by
as many threads in the same run. Time is the worker's on the request, the library's whole call."""
GROWTH = "Time by size; the library's at the smallest size is 1. One text of each size."


def report(results: Results) -> str:
    """All tables."""
    return "\n\n".join(_parts(results))


def _parts(results: Results) -> Iterator[str]:
    yield from _measured(results.workloads)
    if results.no_device:
        yield results.no_device
    yield from _measured(results.on_device)
    if results.load:
        yield from (load_table(results.load), LOAD)
    if results.workers:
        yield from (workers_table(results.workers), WORKERS)
    if results.base:
        yield from (speed_table(results.base.lines), share_table(results.base), SHARE)
    if results.growth:
        yield from _growth(results.growth)
    yield from goal_table(results)


def _measured(measured: Measured) -> Iterator[str]:
    if measured.lines:
        yield from (speed_table(measured.lines), SPEEDS)
    if measured.matches:
        yield from (match_table(measured.matches), MATCHES)
    if measured.streams:
        yield from (stream_table(measured.streams), STREAMS)


def _growth(growth: Growth) -> Iterator[str]:
    yield from (curve_table("tokens", growth.tokens), curve_table("targets", growth.targets), GROWTH)
    yield clients_table(growth.clients)
    yield "Short texts at 1 % from several clients."
