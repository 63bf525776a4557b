"""Every compiled loop over tokens: the stretches of a text, their counts, merging pairs, and packing.

They stand in one file, apart from those of `kernels`, because numba compiles a loop anew only when its own file has
changed. Texts are UTF-8 bytes end to end. A stretch (pre-token) is what no token crosses.
"""

import heapq
from typing import cast

import numpy as np
from numba import njit

signed = cast("type[int]", np.int64)
"""To compiled code a number of 64 bits with a sign, to the type checker a number like any other."""

OTHER, LETTER, NUMBER, BREAK, SPACE = range(5)
"""Classes of a code point for the split pattern: `\\p{L}`, `\\p{N}`, `[\\r\\n]`, the rest of `\\s`, and all others."""

LONGEST_KEPT = 64
"""Bytes of a stretch whose ids are remembered: longer ones rarely come again."""

SHORT = 7
"""Bytes of a stretch that its key spells out; a longer one has a hash for a key and is compared byte by byte."""

INLINE = 3
"""Ids that fit into a slot of the memory beside their number."""

# 2^64 over the golden ratio: spreads keys over a table by its upper bits (Knuth, vol. 3, section 6.4).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_BELOW = np.array([2 ** (8 * length) - 1 for length in range(SHORT + 1)], dtype=np.uint64)
_NO_PAIR = signed(2**62)
_APOSTROPHE, _BLANK, _LOWER = 39, 32, 32
_D, _E, _L, _M, _R, _S, _T, _V = 100, 101, 108, 109, 114, 115, 116, 118
_LONG_S = (0xC5, 0xBF)


@njit(cache=True, inline="always")
def _class_at(data: np.ndarray, place: int, classes: np.ndarray) -> tuple[int, int]:
    """Class and width in bytes of the code point at `place`."""
    first = signed(data[place])
    if first < 0x80:
        return signed(classes[first]), 1
    if first < 0xE0:
        return signed(classes[(first & 0x1F) << 6 | (signed(data[place + 1]) & 0x3F)]), 2
    middle = signed(data[place + 1]) & 0x3F
    last = signed(data[place + 2]) & 0x3F
    if first < 0xF0:
        return signed(classes[(first & 0x0F) << 12 | middle << 6 | last]), 3
    code = (first & 0x07) << 18 | middle << 12 | last << 6 | (signed(data[place + 3]) & 0x3F)
    return (signed(classes[code]) if code < len(classes) else OTHER), 4


@njit(cache=True, inline="always")
def _run_end(data: np.ndarray, place: int, end: int, classes: np.ndarray, wanted: int) -> int:
    """Behind the last of a run of code points of one class."""
    while place < end:
        if data[place] < 0x80:
            if classes[data[place]] != wanted:
                break
            place += 1
        else:
            kind, width = _class_at(data, place, classes)
            if kind != wanted:
                break
            place += width
    return place


@njit(cache=True)
def _numbers_end(data: np.ndarray, place: int, end: int, classes: np.ndarray, digits: int) -> int:
    """Behind the last of at most `digits` numbers."""
    for _ in range(digits):
        if place == end:
            break
        kind, width = _class_at(data, place, classes)
        if kind != NUMBER:
            break
        place += width
    return place


@njit(cache=True)
def _contraction_end(data: np.ndarray, place: int, end: int, fold: bool) -> int:
    """Behind `s`, `d`, `m`, `t`, `ll`, `ve` or `re` at `place`, or `place`; `fold` lets case differ."""
    if place >= end:
        return place
    case = _LOWER if fold else 0
    first = data[place] | case
    if first in (_S, _D, _M, _T):
        return place + 1
    if place + 1 >= end:
        return place
    # U+017F, the long s, is an s where case may differ.
    if fold and data[place] == _LONG_S[0] and data[place + 1] == _LONG_S[1]:
        return place + 2
    second = data[place + 1] | case
    if (first == _L and second == _L) or (first in (_V, _R) and second == _E):
        return place + 2
    return place


@njit(cache=True)
def _white_end(data: np.ndarray, place: int, end: int, classes: np.ndarray) -> int:
    """The end of a stretch of white space: behind its last line break, else before its last character if more follows.

    This is `\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`.
    """
    start, last, behind_break = place, place, place
    while place < end:
        kind, width = _class_at(data, place, classes)
        if kind != SPACE and kind != BREAK:
            break
        last = place
        place += width
        if kind == BREAK:
            behind_break = place
    if behind_break > start:
        return behind_break
    return place if place == end or last == start else last


@njit(cache=True)
def _stretch_end(data: np.ndarray, place: int, end: int, classes: np.ndarray, digits: int, fold: bool) -> int:
    """The end of the stretch that begins at `place`; see `stretches.Splitting` for the pattern."""
    kind, width = _class_at(data, place, classes)
    after = place + width
    if kind == LETTER:
        return _run_end(data, after, end, classes, LETTER)
    if data[place] == _APOSTROPHE:
        behind = _contraction_end(data, after, end, fold)
        if behind > after:
            return behind
    if kind == NUMBER:
        return _numbers_end(data, place, end, classes, digits)
    if kind == BREAK:
        return _white_end(data, place, end, classes)
    behind = _run_end(data, after, end, classes, LETTER)
    if behind > after:
        return behind
    if kind == OTHER or data[place] == _BLANK:
        behind = _run_end(data, after, end, classes, OTHER)
        if kind == OTHER or behind > after:
            return _run_end(data, behind, end, classes, BREAK)
    return _white_end(data, place, end, classes)


@njit(cache=True)
def stretch_ends(data: np.ndarray, starts: np.ndarray, classes: np.ndarray, digits: int, fold: bool) -> np.ndarray:
    """Where each stretch of the texts ends, int64 [stretches]; text n is `data[starts[n] : starts[n + 1]]`."""
    ends = np.empty(len(data), dtype=np.int64)
    count = 0
    for text in range(len(starts) - 1):
        place = starts[text]
        while place < starts[text + 1]:
            place = _stretch_end(data, place, starts[text + 1], classes, digits, fold)
            ends[count] = place
            count += 1
    return ends[:count].copy()


@njit(cache=True, inline="always")
def _key(wide: np.ndarray, place: int, stop: int) -> np.uint64:
    """A number for a stretch, never 0: its bytes and their count where they fit, else a hash whose top byte is 255.

    `wide` has the eight bytes from each place on, uint64.
    """
    length = stop - place
    if length <= SHORT:
        return wide[place] & _BELOW[length] | np.uint64(length) << np.uint64(56)
    # The last eight bytes overlap those before them where the length is no multiple of eight.
    key = wide[stop - 8] ^ np.uint64(length)
    for index in range(place, stop - 8, 8):
        key = (key * _SPREAD) ^ wide[index]
        key ^= key >> _HALF
    return key * _SPREAD | np.uint64(0xFF << 56)


@njit(cache=True, inline="always")
def _first_slot(key: np.uint64, slots: int) -> int:
    mixed = key ^ (key >> _HALF)
    return signed((mixed * _SPREAD) >> _HALF) & (slots - 1)


@njit(cache=True)
def _same(data: np.ndarray, place: int, kept: np.ndarray, start: int, length: int) -> bool:
    index = 0
    while index < length and data[place + index] == kept[start + index]:
        index += 1
    return index == length


@njit(cache=True)
def count_stretches(
    data: np.ndarray,
    wide: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray,
    table: np.ndarray,
    counts: np.ndarray,
    places: np.ndarray,
    kept: np.ndarray,
    known: int,
) -> int:
    """Add `weights`, int64, of the stretches that end at `ends` to their counts; how many different ones there are now.

    `table`, int64 with a power of two of slots, holds 1 + the number of a stretch; stretch n has `counts[n]`, and its
    bytes are `kept[places[n] : places[n + 1]]`. There must be room for every stretch to be new.
    """
    place = 0
    for index in range(len(ends)):
        stop = ends[index]
        length = stop - place
        slot = _first_slot(_key(wide, place, stop), len(table))
        while True:
            entry = table[slot] - 1
            if entry < 0:
                entry = known
                known += 1
                table[slot] = known
                counts[entry] = 0
                places[known] = places[entry] + length
                kept[places[entry] : places[known]] = data[place:stop]
                break
            if places[entry + 1] - places[entry] == length and _same(data, place, kept, places[entry], length):
                break
            slot = (slot + 1) & (len(table) - 1)
        counts[entry] += weights[index]
        place = stop
    return known


@njit(cache=True, inline="always")
def find_pair(pairs: np.ndarray, left: int, right: int) -> int:
    """The slot of a pair of ids in `pairs`, int64 [slots, ...] with the pair first and -1 where free; or a free one."""
    key = left << 32 | right
    slot = _first_slot(np.uint64(key), len(pairs))
    while pairs[slot, 0] != key and pairs[slot, 0] >= 0:
        slot = (slot + 1) & (len(pairs) - 1)
    return slot


@njit(cache=True)
def fill_merges(pairs: np.ndarray, merges: np.ndarray) -> None:
    """Put merges, int64 [merges, 3] of left, right and merged id, into `pairs`, int64 [slots, 2], free everywhere.

    The second entry has the merge's rank above the merged id, so that the smaller one goes first.
    """
    for rank in range(len(merges)):
        slot = find_pair(pairs, merges[rank, 0], merges[rank, 1])
        pairs[slot, 0] = merges[rank, 0] << 32 | merges[rank, 1]
        pairs[slot, 1] = rank << 32 | merges[rank, 2]


@njit(cache=True, inline="always")
def _merge_of(pairs: np.ndarray, left: int, right: int) -> int:
    slot = find_pair(pairs, left, right)
    return pairs[slot, 1] if pairs[slot, 0] >= 0 else _NO_PAIR


@njit(cache=True)
def _merge_short(ids: np.ndarray, count: int, pairs: np.ndarray) -> int:
    """Merge `ids[:count]` in place, the pair of the lowest rank first and of these the leftmost; how many are left."""
    merges = np.empty(count, dtype=np.int64)
    for index in range(count - 1):
        merges[index] = _merge_of(pairs, ids[index], ids[index + 1])
    while count > 1:
        best = 0
        for index in range(1, count - 1):
            if merges[index] < merges[best]:
                best = index
        if merges[best] == _NO_PAIR:
            break
        ids[best] = merges[best] & 0xFFFFFFFF
        count -= 1
        for index in range(best + 1, count):
            ids[index] = ids[index + 1]
            merges[index - 1] = merges[index]
        if best > 0:
            merges[best - 1] = _merge_of(pairs, ids[best - 1], ids[best])
        if best < count - 1:
            merges[best] = _merge_of(pairs, ids[best], ids[best + 1])
    return count


@njit(cache=True)
def _merge_long(ids: np.ndarray, count: int, pairs: np.ndarray) -> int:
    """The same in n log n steps, for stretches of any length, by a heap of the merges that can be made."""
    before, behind = np.arange(-1, count - 1), np.arange(1, count + 1)
    heap = [(_merge_of(pairs, ids[index], ids[index + 1]), index) for index in range(count - 1)]
    heapq.heapify(heap)
    while heap:
        merge, index = heapq.heappop(heap)
        if merge == _NO_PAIR:
            break
        other = behind[index]
        # What the heap holds may have been merged since: a place that is gone has the id -1.
        if ids[index] < 0 or other >= count or _merge_of(pairs, ids[index], ids[other]) != merge:
            continue
        ids[index], ids[other] = merge & 0xFFFFFFFF, -1
        behind[index] = behind[other]
        if behind[index] < count:
            before[behind[index]] = index
            heapq.heappush(heap, (_merge_of(pairs, ids[index], ids[behind[index]]), index))
        if before[index] >= 0:
            heapq.heappush(heap, (_merge_of(pairs, ids[before[index]], ids[index]), before[index]))
    left = 0
    for index in range(count):
        if ids[index] >= 0:
            ids[left] = ids[index]
            left += 1
    return left


@njit(cache=True)
def _merge_stretch(
    data: np.ndarray, place: int, stop: int, byte_ids: np.ndarray, pairs: np.ndarray, ids: np.ndarray, filled: int
) -> int:
    """Write the ids of a stretch to `ids` from `filled` on; how many there are."""
    count = stop - place
    merged = np.empty(count, dtype=np.int64)
    for index in range(count):
        merged[index] = byte_ids[data[place + index]]
    count = _merge_short(merged, count, pairs) if count <= LONGEST_KEPT else _merge_long(merged, count, pairs)
    for index in range(count):
        ids[filled + index] = merged[index]
    return count


@njit(cache=True)
def _remember(
    slot: np.ndarray,
    key: np.uint64,
    stretch: np.ndarray,
    ids: np.ndarray,
    kept: np.ndarray,
    used: np.ndarray,
) -> None:
    """Put the ids of a stretch into a free slot, if there is room for them; see `encode_texts` for the form."""
    start = used[1]
    spelled = len(stretch) <= SHORT
    if spelled and len(ids) <= INLINE:
        value = np.uint64(len(ids)) << np.uint64(48)
        for index in range(len(ids)):
            value |= np.uint64(ids[index]) << np.uint64(16 * index)
        slot[1] = value
    else:
        size = 2 + len(ids) + len(stretch)
        if start + size > len(kept):
            return
        kept[start], kept[start + 1] = len(ids), len(stretch)
        kept[start + 2 : start + 2 + len(ids)] = ids
        kept[start + 2 + len(ids) : start + size] = stretch
        slot[1] = np.uint64(start)
        used[1] = start + size
    slot[0] = key
    used[0] += 1


@njit(cache=True)
def _recall_kept(
    kept: np.ndarray, start: int, data: np.ndarray, place: int, stop: int, ids: np.ndarray, filled: int
) -> int:
    """Copy the ids kept at `start` if they are those of the stretch; how many there are, else 0."""
    count, length = signed(kept[start]), signed(kept[start + 1])
    if length != stop - place or not _same(data, place, kept, start + 2 + count, length):
        return 0
    for index in range(count):
        ids[filled + index] = kept[start + 2 + index]
    return count


@njit(cache=True, nogil=True)
def encode_texts(
    data: np.ndarray,
    wide: np.ndarray,
    starts: np.ndarray,
    classes: np.ndarray,
    digits: int,
    fold: bool,
    byte_ids: np.ndarray,
    pairs: np.ndarray,
    memory: np.ndarray,
    kept: np.ndarray,
    used: np.ndarray,
    edges: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """The ids of texts end to end, uint16, and where those of each text begin, int64 [texts + 1].

    Text n is `data[starts[n] : starts[n + 1]]`; `edges` are put before and behind its ids. What stretches became is
    remembered from call to call: `memory`, uint64 [slots, 2], has a key and, above bit 48, the number of ids with the
    ids below, or the place in `kept`, uint16, of their number, the stretch's bytes, the ids and the bytes. `used`
    counts the slots and the places that are taken. Half the slots stay free; what finds no room is merged each time.
    """
    # Three ids are copied at once, of which two may not be meant.
    ids = np.empty(len(data) + 2 * len(starts) + INLINE, dtype=np.uint16)
    found = np.zeros(len(starts), dtype=np.int64)
    filled = 0
    for text in range(len(starts) - 1):
        ids[filled] = edges[0]
        filled += 1
        place, end = starts[text], starts[text + 1]
        while place < end:
            stop = _stretch_end(data, place, end, classes, digits, fold)
            count, slot, key = 0, -1, np.uint64(0)
            if stop - place <= LONGEST_KEPT:
                key = _key(wide, place, stop)
                slot = _first_slot(key, len(memory))
                while memory[slot, 0] != 0:
                    if memory[slot, 0] == key:
                        value = memory[slot, 1]
                        count = signed(value >> np.uint64(48))
                        if count > 0:
                            ids[filled] = np.uint16(value)
                            ids[filled + 1] = np.uint16(value >> np.uint64(16))
                            ids[filled + 2] = np.uint16(value >> np.uint64(32))
                            break
                        count = _recall_kept(kept, signed(value), data, place, stop, ids, filled)
                        if count > 0:
                            break
                    slot = (slot + 1) & (len(memory) - 1)
            if count == 0:
                count = _merge_stretch(data, place, stop, byte_ids, pairs, ids, filled)
                if slot >= 0 and 2 * used[0] < len(memory):
                    _remember(memory[slot], key, data[place:stop], ids[filled : filled + count], kept, used)
            filled += count
            place = stop
        ids[filled] = edges[1]
        filled += 1
        found[text + 1] = filled
    return ids[:filled].copy(), found


@njit(cache=True)
def _token_slot(table: np.ndarray, places: np.ndarray, kept: np.ndarray, start: int, end: int) -> int:
    """The slot of the token spelled `kept[start:end]`, or a free one; see `learn_merges` for the arrays."""
    key = np.uint64(0)
    for index in range(start, end):
        key = (key ^ np.uint64(kept[index] + 1)) * _SPREAD
    slot = _first_slot(key, len(table))
    while table[slot] > 0:
        token = table[slot] - 1
        if places[token + 1] - places[token] == end - start and _same(kept, start, kept, places[token], end - start):
            break
        slot = (slot + 1) & (len(table) - 1)
    return slot


@njit(cache=True)
def _joined_token(left: int, right: int, places: np.ndarray, kept: np.ndarray, start: int) -> int:
    """Spell two tokens together from `start` on; where that ends."""
    for token in (left, right):
        for place in range(places[token], places[token + 1]):
            kept[start] = kept[place]
            start += 1
    return start


@njit(cache=True)
def _doubled(pairs: np.ndarray) -> np.ndarray:
    larger = np.full((2 * len(pairs), pairs.shape[1]), -1, dtype=np.int64)
    for index in range(len(pairs)):
        key = pairs[index, 0]
        if key >= 0:
            larger[find_pair(larger, key >> 32, key & 0xFFFFFFFF)] = pairs[index]
    return larger


@njit(cache=True)
def _change(
    pairs: np.ndarray, nodes: np.ndarray, used: np.ndarray, touched: np.ndarray, key: int, change: int, word: int
) -> None:
    """Add to the count of a pair; if it came into being in `word`, note the word in the pair's list."""
    slot = find_pair(pairs, key >> 32, key & 0xFFFFFFFF)
    if pairs[slot, 0] < 0:
        pairs[slot, 0], pairs[slot, 1], pairs[slot, 2] = key, 0, -1
        used[0] += 1
    pairs[slot, 1] += change
    head = pairs[slot, 2]
    if change > 0 and (head < 0 or nodes[head, 0] != word):
        if head < 0:
            touched[used[2]] = key
            used[2] += 1
        nodes[used[1], 0], nodes[used[1], 1] = word, head
        pairs[slot, 2] = used[1]
        used[1] += 1


@njit(cache=True)
def _merge_word(
    ids: np.ndarray,
    weight: int,
    merge: tuple[int, int, int],
    word: int,
    pairs: np.ndarray,
    nodes: np.ndarray,
    used: np.ndarray,
    touched: np.ndarray,
) -> int:
    """Merge a pair wherever it is in `ids`, from left to right, and count what that changes; how many ids are left."""
    left, right, merged = merge
    read, write = 0, 0
    while read < len(ids):
        if read + 1 == len(ids) or ids[read] != left or ids[read + 1] != right:
            ids[write] = ids[read]
            read += 1
        else:
            read += 2
            if write > 0:
                _change(pairs, nodes, used, touched, ids[write - 1] << 32 | left, -weight, word)
                _change(pairs, nodes, used, touched, ids[write - 1] << 32 | merged, weight, word)
            if read < len(ids):
                _change(pairs, nodes, used, touched, right << 32 | ids[read], -weight, word)
                _change(pairs, nodes, used, touched, merged << 32 | ids[read], weight, word)
            ids[write] = merged
        write += 1
    return write


@njit(cache=True)
def learn_merges(
    ids: np.ndarray,
    starts: np.ndarray,
    weights: np.ndarray,
    places: np.ndarray,
    kept: np.ndarray,
    known: int,
    size: int,
) -> np.ndarray:
    """Merges of byte-pair encoding, int64 [merges, 3] of left, right and merged id, until there are `size` tokens.

    Word n, `ids[starts[n] : starts[n + 1]]`, int64, comes `weights[n]` times. The commonest pair is merged first, of
    equals the one of the smallest ids. Token n of the `known` ones is spelled `kept[places[n] : places[n + 1]]`, uint8;
    `places` has room for `size`. Counts are kept as the trainer of Hugging Face keeps them (tokenizers,
    models/bpe/trainer.rs): a run of one id counts as pairs that overlap, and a spelling that is known keeps its id.
    """
    slots = 2
    while slots < 2 * size:
        slots *= 2
    table = np.zeros(slots, dtype=np.int64)  # 1 + the id of a token, by its spelling
    for token in range(known):
        table[_token_slot(table, places, kept, places[token], places[token + 1])] = token + 1
    lengths = np.diff(starts)
    pairs = np.full((2**16, 3), -1, dtype=np.int64)
    nodes = np.empty((len(ids) + 1, 2), dtype=np.int64)
    touched = np.empty(len(ids) + 1, dtype=np.int64)
    used = np.zeros(3, dtype=np.int64)  # pairs, nodes, touched pairs
    for word in range(len(lengths)):
        for index in range(starts[word], starts[word + 1] - 1):
            if 2 * used[0] > len(pairs):
                pairs = _doubled(pairs)
            _change(pairs, nodes, used, touched, ids[index] << 32 | ids[index + 1], weights[word], word)
    heap = [(signed(0), signed(0), signed(-1)) for _ in range(0)]
    merges = [(signed(0), signed(0), signed(0)) for _ in range(0)]
    while True:
        for index in range(used[2]):
            slot = find_pair(pairs, touched[index] >> 32, touched[index] & 0xFFFFFFFF)
            if pairs[slot, 1] > 0:
                heapq.heappush(heap, (-pairs[slot, 1], touched[index], pairs[slot, 2]))
            pairs[slot, 2] = -1
        used[2] = 0
        if known >= size:
            break
        node, merge = signed(-1), (signed(0), signed(0), signed(0))
        while heap and node < 0:
            count, key, head = heapq.heappop(heap)
            now = pairs[find_pair(pairs, key >> 32, key & 0xFFFFFFFF), 1]
            if now == -count:
                node = head
                merge = (key >> 32, key & 0xFFFFFFFF, signed(known))
            elif now > 0:
                heapq.heappush(heap, (-now, key, head))
        if node < 0:
            break
        left, right, start = merge[0], merge[1], places[known]
        if len(kept) < start + places[left + 1] - places[left] + places[right + 1] - places[right]:
            kept = np.concatenate((kept, np.empty(2 * len(kept), dtype=np.uint8)))
        end = _joined_token(left, right, places, kept, start)
        slot = _token_slot(table, places, kept, start, end)
        if table[slot] > 0:
            merge = (left, right, table[slot] - 1)
        else:
            places[known + 1] = end
            known += 1
            table[slot] = known
        merges.append(merge)
        while node >= 0:
            word = nodes[node, 0]
            node = nodes[node, 1]
            # A word gives at most two new pairs and two nodes for each two of its ids.
            if 2 * (used[0] + lengths[word]) > len(pairs):
                pairs = _doubled(pairs)
            if used[1] + 2 * lengths[word] > len(nodes):
                nodes = np.concatenate((nodes, np.empty_like(nodes)))
            if used[2] + 2 * lengths[word] > len(touched):
                touched = np.concatenate((touched, np.empty_like(touched)))
            within = ids[starts[word] : starts[word] + lengths[word]]
            lengths[word] = _merge_word(within, weights[word], merge, word, pairs, nodes, used, touched)
    result = np.empty((len(merges), 3), dtype=np.int64)
    for index in range(len(merges)):
        result[index, 0], result[index, 1], result[index, 2] = merges[index]
    return result
