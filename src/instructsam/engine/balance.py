"""Balance of the records by number of targets, kind and category: deterministic, by dropping.

A limit keeps the candidates with the smallest hashes of their ids, those that people accepted first. So the same
candidates give the same records in any order, and one more candidate changes few of the others.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, combinations

from instructsam.engine.balance_report import TARGETS, BalanceReport, Table
from instructsam.engine.candidates import KINDS
from instructsam.engine.filters.pool import MAX_HASH, CandidatePool
from instructsam.engine.settings.balance import BalanceSettings

_TARGET_LIMITS = "negatives_per_positive and max_single_share"
_ROUNDS = 100  # the shares of kinds and targets depend on each other


def balance(pool: CandidatePool, settings: BalanceSettings) -> BalanceReport:
    """Drop candidates of a pool until the limits hold.

    The order is: categories, kinds, numbers of targets; the last two until both hold.
    """
    report = BalanceReport(before=_tables(pool))
    _limit_categories(pool, settings)
    kind_share = _kind_share(pool, settings, report)
    for _ in range(_ROUNDS):
        if not _limit_kinds(pool, settings, kind_share) and not _limit_targets(pool, settings, report):
            break
    report.after = _tables(pool)
    before, after = (sum(table["kind"].values()) for table in (report.before, report.after))
    if 2 * after < before:
        report.notes.append(
            f"balance: its limits leave {after} of {before} records: raise those named above to keep more"
        )
    return report


def largest_counts(counts: Mapping[str, int], limits: Mapping[str, float], excess: int = 0) -> dict[str, int]:
    """The largest numbers of members of each class such that none exceeds its share of all.

    A class keeps at least one member, whatever its share.

    Args:
        counts: members of each class.
        limits: largest shares, which sum to at least 1 over the classes with members.
        excess: members that a class may have beyond its share.
    """
    kept = dict(counts)
    while True:
        total = sum(kept.values())
        # The small number keeps a third of 150 at 50.
        new = {
            name: min(count, max(1, math.floor(limits[name] * total + excess + 1e-9)))
            for name, count in kept.items()
        }
        if new == kept:
            return kept
        kept = new


def _kind_share(pool: CandidatePool, settings: BalanceSettings, report: BalanceReport) -> float:
    """`max_kind_share`, or the smallest larger share with which the limits of kinds and of targets can both hold.

    Whatever numbers of targets are looked at, the kinds that have others must fill the rest: without this, two limits
    that exclude each other would take turns until one record of each kind is left.
    """
    limits = _target_limits(_counts(pool, "targets"), settings)
    cells = [
        (str(kind), str(value))
        for kind, value in pool.rows("SELECT DISTINCT kind, targets FROM candidates WHERE NOT dropped")
    ]
    share = settings.max_kind_share
    for chosen in chain.from_iterable(combinations(limits, size) for size in range(len(limits))):
        if others := {kind for kind, value in cells if value not in chosen}:
            share = max(share, (1 - sum(limits[value] for value in chosen)) / len(others))
    if share > settings.max_kind_share:
        kinds = ", ".join(sorted({kind for kind, _ in cells}))
        report.notes.append(
            f"balance: max_kind_share cannot hold with {kinds} alone and the limits of targets, so it is "
            f"{share:.0%} here"
        )
    return share


def _limit_kinds(pool: CandidatePool, settings: BalanceSettings, share: float) -> int:
    counts = _counts(pool, "kind")
    # With a share that just suffices, whole numbers exceed it: one record is allowed, lest they shrink to fit.
    excess = int(share > settings.max_kind_share)
    kept = largest_counts(counts, dict.fromkeys(counts, share), excess)
    reason = f"of a kind with more than {share:.0%} of the records (max_kind_share)"
    return _keep_counts(pool, "kind", {name: name for name in counts}, kept, reason)


def _limit_targets(pool: CandidatePool, settings: BalanceSettings, report: BalanceReport) -> int:
    values = {str(value): value for value in range(len(TARGETS))}
    counts = _counts(pool, "targets")
    ratio = settings.negatives_per_positive
    limits = _target_limits(counts, settings, report)
    kept = largest_counts(counts, limits)
    if ratio == 0:
        kept.pop("0", None)
    dropped = 0
    for name, reason in (
        ("0", f"more than {ratio:g} without a target per record with one (negatives_per_positive)"),
        ("1", f"more than {settings.max_single_share:.0%} with exactly one target (max_single_share)"),
    ):
        if name in counts:
            dropped += _keep_counts(pool, "targets", values, {name: kept.get(name, 0)}, reason)
    return dropped


def _target_limits(
    counts: Mapping[str, int], settings: BalanceSettings, report: BalanceReport | None = None
) -> dict[str, float]:
    """The largest share of each number of targets; larger in the same proportion where they would leave nothing."""
    ratio = settings.negatives_per_positive
    shares = {"0": ratio / (1 + ratio), "1": settings.max_single_share, "2": 1.0}
    limits = {name: shares[name] for name in counts}
    total = sum(limits.values())
    if total >= 1 or total == 0:
        return limits
    names = ", ".join(TARGETS[int(name)] for name in sorted(counts))
    note = f"balance: {_TARGET_LIMITS} cannot hold with {names} targets alone, so each is larger here"
    if report is not None and note not in report.notes:
        report.notes.append(note)
    return {name: limit / total for name, limit in limits.items()}


def _keep_counts(
    pool: CandidatePool, column: str, values: Mapping[str, str | int], kept: Mapping[str, int], reason: str
) -> int:
    """Drop the candidates with the largest hashes beyond the number that each value of a column keeps."""
    dropped = 0
    for name, count in kept.items():
        later = (
            f"SELECT place FROM candidates WHERE NOT dropped AND {column} = ? ORDER BY hash LIMIT -1 OFFSET ?"
        )
        dropped += pool.drop("balance", reason, f"place IN ({later})", [values[name], count])
    return dropped


def _limit_categories(pool: CandidatePool, settings: BalanceSettings) -> None:
    """Thin frequent categories, then cap them."""
    if settings.category_threshold:
        frequencies, total = _category_counts(pool), _total(pool)
        thinned = [
            place
            for place, number, categories in _by_hash(pool)
            if categories and number / MAX_HASH >= _share(categories, frequencies, total, settings)
        ]
        reason = "of categories more frequent than category_threshold"
        pool.drop_places("balance", reason, thinned)
    if settings.category_cap:
        used: Counter[str] = Counter()
        capped = []
        for place, _, categories in _by_hash(pool):
            if categories and all(used[category] >= settings.category_cap for category in categories):
                capped.append(place)
            else:
                used.update(categories)
        reason = f"more than {settings.category_cap} of each of its categories (category_cap)"
        pool.drop_places("balance", reason, capped)


def _share(
    categories: list[str], frequencies: Mapping[str, int], total: int, settings: BalanceSettings
) -> float:
    rarest = min(frequencies[category] for category in categories)
    return math.sqrt(settings.category_threshold * total / rarest)


def _by_hash(pool: CandidatePool) -> Iterator[tuple[int, int, list[str]]]:
    """Place, hash and categories of what is left."""
    query = "SELECT place, hash, categories FROM candidates WHERE NOT dropped ORDER BY hash"
    for place, number, categories in pool.rows(query):
        yield int(place), int(number), json.loads(str(categories))


def _total(pool: CandidatePool) -> int:
    return sum(_counts(pool, "kind").values())


def _counts(pool: CandidatePool, column: str) -> dict[str, int]:
    query = f"SELECT {column}, COUNT(*) FROM candidates WHERE NOT dropped GROUP BY {column}"
    return {str(value): int(count) for value, count in pool.rows(query)}


def _category_counts(pool: CandidatePool) -> dict[str, int]:
    query = (
        "SELECT value, COUNT(*) FROM candidates, json_each(categories) WHERE NOT dropped GROUP BY value "
        "ORDER BY COUNT(*) DESC, value"
    )
    return {str(value): int(count) for value, count in pool.rows(query)}


def _tables(pool: CandidatePool) -> Table:
    targets, kinds = _counts(pool, "targets"), _counts(pool, "kind")
    return {
        "targets": {name: targets.get(str(value), 0) for value, name in enumerate(TARGETS)},
        "kind": {kind: kinds[kind] for kind in KINDS if kind in kinds},
        "category": _category_counts(pool),
    }
