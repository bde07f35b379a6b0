"""A larger vocabulary for a trained byte-level BPE: more merges after the ones it has.

Old texts keep their token ids wherever the old tokenizer had one token for a word. The transformers library can train
a tokenizer from scratch or add whole words to one; it cannot continue the merges of a trained one.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from instructsam.errors import ConfigError

MIN_COUNT = 2  # a pair that occurs once teaches nothing


def extend_tokenizer(tokenizer: Any, texts: Iterable[str], vocab_size: int) -> dict[int, list[int]]:
    """Grow the tokenizer, in place, to at most `vocab_size` tokens with merges learned from the texts.

    Special tokens stay last, so their ids change.

    Returns:
        Token id -> the ids of the old tokens that it stands for, for every id that is new or changed.

    Raises:
        ConfigError: as `extensible`.
    """
    data = extensible(tokenizer, vocab_size)
    vocab: dict[str, int] = data["model"]["vocab"]
    size = len(tokenizer)
    special = sorted(data["added_tokens"], key=lambda token: int(token["id"]))
    merges = _merges(_pieces(tokenizer, texts), vocab_size - size, set(vocab))
    old: dict[int, list[int]] = {}
    for left, right in merges:
        number = len(vocab)
        old[number] = [part for token in (left, right) for part in old.get(vocab[token], [vocab[token]])]
        vocab[left + right] = number
        data["model"]["merges"].append([left, right])
    for number, token in enumerate(special, start=len(vocab)):
        old[number], token["id"] = [token["id"]], number
    tokenizer.__init__(
        tokenizer_object=type(tokenizer.backend_tokenizer).from_str(json.dumps(data)),
        pad_token=tokenizer.pad_token,
        eos_token=tokenizer.eos_token,
    )
    return old


def extensible(tokenizer: Any, vocab_size: int) -> dict[str, Any]:
    """The content of a tokenizer that can grow to `vocab_size` tokens.

    Raises:
        ConfigError: the tokenizer is no byte-level BPE, its special tokens are not last, or it is as large already.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    data: dict[str, Any] = json.loads(backend.to_str()) if backend is not None else {"model": {}}
    kinds = (data["model"].get("type"), (data.get("pre_tokenizer") or {}).get("type"))
    if kinds != ("BPE", "ByteLevel"):
        raise ConfigError(
            "model.extend_tokenizer needs a BPE tokenizer with the pre-tokenizer ByteLevel, got "
            f"{kinds[0]} with {kinds[1]}: set it to 0"
        )
    size = len(tokenizer)
    if vocab_size <= size:
        raise ConfigError(
            f"model.extend_tokenizer must be above the tokenizer's {size} tokens, got {vocab_size}"
        )
    ids = sorted(int(token["id"]) for token in data["added_tokens"])
    if ids != list(range(len(data["model"]["vocab"]), size)):
        raise ConfigError(
            "model.extend_tokenizer needs a tokenizer whose special tokens have the largest ids, got other ids: set "
            "it to 0"
        )
    return data


def _pieces(tokenizer: Any, texts: Iterable[str]) -> dict[tuple[str, ...], int]:
    """Every word of the texts as the tokens that it has now, with its number of occurrences."""
    backend = tokenizer.backend_tokenizer
    words = Counter(word for text in texts for word, _ in backend.pre_tokenizer.pre_tokenize_str(text))
    found: dict[tuple[str, ...], int] = {}
    for word, count in words.items():
        tokens = tuple(token.value for token in backend.model.tokenize(word))
        if len(tokens) > 1:
            found[tokens] = found.get(tokens, 0) + count
    return found


def _merges(words: dict[tuple[str, ...], int], number: int, known: set[str]) -> list[tuple[str, str]]:
    """The most frequent neighbours, merged one after the other; of equal ones the first in the alphabet."""
    spelled = [list(word) for word in words]
    counts = list(words.values())
    pairs: Counter[tuple[str, str]] = Counter()
    places: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for index, word in enumerate(spelled):
        for pair in pairwise(word):
            pairs[pair] += counts[index]
            places[pair].add(index)
    merges: list[tuple[str, str]] = []
    while len(merges) < number and pairs:
        pair = min(pairs, key=lambda one: (-pairs[one], one))
        if pairs[pair] < MIN_COUNT:
            break
        new = pair[0] + pair[1]
        if new not in known:
            merges.append(pair)
            known.add(new)
        for index in sorted(places[pair]):
            _merge(spelled, index, pair, counts[index], pairs, places)
        pairs.pop(pair, None)
        places.pop(pair, None)
    return merges


def _merge(
    spelled: list[list[str]],
    index: int,
    pair: tuple[str, str],
    count: int,
    pairs: Counter[tuple[str, str]],
    places: defaultdict[tuple[str, str], set[int]],
) -> None:
    """Merge the pair in one word, and count its neighbours again."""
    word = spelled[index]
    for old in pairwise(word):
        pairs[old] -= count
        if pairs[old] <= 0:
            del pairs[old]
    merged: list[str] = []
    for token in word:
        if merged and merged[-1] == pair[0] and token == pair[1]:
            merged[-1] = pair[0] + pair[1]
        else:
            merged.append(token)
    spelled[index] = merged
    for new in pairwise(merged):
        pairs[new] += count
        places[new].add(index)
