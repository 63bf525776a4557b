"""Every compiled loop over texts: words and their hashes, counts, repetition, MinHash.

They stand in one file because numba compiles a loop anew when its file has changed, but not when one has changed that
this one imports. Texts are code points, as `code_points` makes them, with the classes below.
"""

import numpy as np
from numba import njit

WORD, SPACE, LETTER, MARK = 1, 2, 4, 8
"""Bits of a class: `\\w` of `re`, `str.isspace`, `str.isalpha`, and punctuation that may stand around a word."""

# Odd numbers with no pattern in their bits: 2^64 over the golden ratio, and a multiplier of Vigna's and Steele's
# ("Computationally easy, spectrally good multipliers for congruential pseudorandom number generators", 2022).
SEED = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIER = np.uint64(0xF1357AEA2E62A9C5)
_HALF = np.uint64(32)

SHORTEST_NGRAM, FIRST_DUPLICATE_NGRAM, LONGEST_NGRAM = 2, 5, 10
"""Words of the n-grams whose repetition is measured: below the second only the most frequent one counts."""
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021 (Gopher), quality rules."""
PHRASES = (
    "lorem ipsum",
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
"""Raffel et al. 2020 (C4), section 2.2: the first drops a page, a line with another one is cut from it. The phrases
behind the second stand in the code that made C4."""
FEW_WORDS, LONG_WORD = 3, 1000
"""C4 cuts lines of fewer words, or with a word of more characters."""
SHORT_LINE = 30
"""Characters of a short line, at most (Penedo et al. 2024, FineWeb, section 3.6)."""
SIGN_COUNTS = (
    "characters",
    "visible_characters",
    "letters",
    "alphanumerics",
    "digits",
    "number_signs",
    "ellipses",
    "newlines",
    "curly_brackets",
)
WORD_COUNTS = ("words", "word_characters", "lettered_words", "stop_words", "longest_word")
LINE_COUNTS = (
    "filled_lines",
    "filled_line_characters",
    "longest_line",
    "lines",
    "line_characters",
    "bullet_lines",
    "ellipsis_lines",
    "terminal_lines",
    "punctuated_lines",
    "short_lines",
    "few_word_lines",
    "lorem_ipsum_lines",
    "javascript_lines",
    "policy_lines",
    "sentences",
    "terminal_sentences",
    "hash_comment_characters",
    "slash_comment_characters",
)
COUNTS = SIGN_COUNTS + WORD_COUNTS + LINE_COUNTS
"""Columns of `count`. A word is what white space parts, unless it is all punctuation, but the longest one may be; of
stop words, different ones count. A filled line has a character, a line one that is no white space; a punctuated one
ends in a terminal mark, a terminal one in no ellipsis besides. Sentences are those of lines that C4 keeps whatever they
end in, terminal ones of those that it keeps. Comments are lines that start with a number sign, or with `//`, `/*` or
`*`."""
_PREFIX = 3
"""Characters of a phrase that are looked for before all of it is."""
_SHORTEST_STOP_WORD, _LONGEST_STOP_WORD = min(map(len, STOP_WORDS)), max(map(len, STOP_WORDS))
_WORD_COLUMN, _LINE_COLUMN = len(SIGN_COUNTS), len(SIGN_COUNTS) + len(WORD_COUNTS)
_STOP_WORD_COLUMN, _LONGEST_WORD_COLUMN = COUNTS.index("stop_words"), COUNTS.index("longest_word")

_NEWLINE, _DOT, _NUMBER_SIGN, _ELLIPSIS, _CURLY_BRACKET, _UNDERSCORE = 10, 46, 35, 0x2026, 123, 95
_SLASH, _STAR, _ZERO, _NINE = 47, 42, 48, 57
_SENTENCE_MARKS = (46, 63, 33)  # . ? !
_CLOSING_MARKS = (34, 39, 41, 93, 0x201D, 0x2019)  # " ' ) ] and closing quotation marks
_TERMINAL_MARKS = (46, 63, 33, 34, 39, 0x201D, 0x2019, _ELLIPSIS, 0x3002, 0xFF1F, 0xFF01)  # with those of CJK


@njit(cache=True, inline="always")
def joined(state: np.uint64, value: np.uint64) -> np.uint64:
    """A hash of what `state` stands for and `value` behind it, in that order; both uint64."""
    state = (state ^ value) * MULTIPLIER
    return state ^ (state >> _HALF)


@njit(cache=True, nogil=True)
def find_words(codes: np.ndarray, classes: np.ndarray, forms: np.ndarray, hashes: np.ndarray, sizes: np.ndarray) -> int:
    """Write the hash, uint64, and the characters, int64, of each word of a text; how many there are.

    A word is hashed by the `forms` of its characters. The arrays need room for a word to every two characters, and one.
    """
    words, place, end = 0, 0, len(codes)
    while place < end:
        if classes[codes[place]] & WORD == 0:
            place += 1
            continue
        first, state = place, SEED
        while place < end and classes[codes[place]] & WORD:
            state = joined(state, np.uint64(forms[codes[place]]))
            place += 1
        hashes[words] = joined(state, np.uint64(place - first))
        sizes[words] = place - first
        words += 1
    return words


@njit(cache=True, nogil=True)
def hash_words(codes: np.ndarray, classes: np.ndarray, forms: np.ndarray) -> np.ndarray:
    """The hash of each word of a text, uint64 [words]."""
    room = len(codes) // 2 + 1
    hashes, sizes = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    return hashes[: find_words(codes, classes, forms, hashes, sizes)].copy()


@njit(cache=True, nogil=True)
def ngrams(hashes: np.ndarray, length: int) -> np.ndarray:
    """One hash for each run of `length` words, uint64 [words - length + 1]; empty if there are too few words."""
    grams = np.full(max(len(hashes) - length + 1, 0), SEED)
    for first in range(len(grams)):
        for place in range(first, first + length):
            grams[first] = joined(grams[first], hashes[place])
    return grams


@njit(cache=True, nogil=True)
def signature(grams: np.ndarray, multipliers: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The smallest value of each hash function over the n-grams of a text, uint32 [functions].

    The hash is multiply-shift (Dietzfelbinger et al. 1997): the upper half of a * x + b.
    """
    smallest = np.full(len(multipliers), 2**32 - 1, dtype=np.uint32)
    for gram in grams:
        for function in range(len(multipliers)):
            value = np.uint32((multipliers[function] * gram + offsets[function]) >> _HALF)
            smallest[function] = min(smallest[function], value)
    return smallest


@njit(cache=True, nogil=True)
def _most_words(starts: np.ndarray) -> int:
    """More words, lines or paragraphs no text can have."""
    longest = 0
    for text in range(len(starts) - 1):
        longest = max(longest, starts[text + 1] - starts[text])
    return longest // 2 + 1


@njit(cache=True, nogil=True)
def _table_size(keys: int) -> int:
    size = 2
    while size < 2 * keys:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def _enter(keys: np.ndarray, table: np.ndarray, counts: np.ndarray, slots: np.ndarray) -> None:
    """Enter keys, uint64, into a hash table: `slots` says where each lies, `counts` how often it occurs."""
    last = _table_size(len(keys)) - 1
    counts[: last + 1] = 0
    for item in range(len(keys)):
        key = keys[item]
        slot = np.int64((key * MULTIPLIER) >> _HALF) & last
        while counts[slot] and table[slot] != key:
            slot = (slot + 1) & last
        table[slot] = key
        counts[slot] += 1
        slots[item] = slot


@njit(cache=True, nogil=True)
def _most_frequent(slots: np.ndarray, counts: np.ndarray) -> int:
    """The slot of the key that occurs most often, of equally frequent ones the first; -1 if each occurs once."""
    best, times = -1, 1
    for slot in slots:
        if counts[slot] > times:
            best, times = slot, counts[slot]
    return best


@njit(cache=True, nogil=True)
def _covered(
    places: np.ndarray, slots: np.ndarray, counts: np.ndarray, best: int, sizes: np.ndarray, length: int
) -> int:
    """Characters of the words in n-grams that repeat, or in those of slot `best` unless it is -1, each counted once.

    `places` says which word each n-gram starts with, in ascending order.
    """
    covered, end = 0, 0
    for item in range(len(slots)):
        slot = slots[item]
        if (slot == best) if best >= 0 else (counts[slot] > 1):
            first = places[item]
            for word in range(max(first, end), first + length):
                covered += sizes[word]
            end = first + length
    return covered


@njit(cache=True, nogil=True)
def _next_places(places: np.ndarray, slots: np.ndarray, counts: np.ndarray) -> int:
    """Put those in front where an n-gram may repeat that is longer by a word: so do it and its neighbour now."""
    many = 0
    for item in range(len(places) - 1):
        is_run = places[item + 1] == places[item] + 1
        if is_run and counts[slots[item]] > 1 and counts[slots[item + 1]] > 1:
            places[many] = places[item]
            many += 1
    return many


@njit(cache=True, nogil=True)
def ngram_repetition(codes: np.ndarray, starts: np.ndarray, classes: np.ndarray, forms: np.ndarray) -> np.ndarray:
    """Shares of the words' characters, each counted once, in n-grams of 2 to 10 words that repeat.

    float64 [texts, 9]; 0 where no n-gram repeats.
    """
    result = np.zeros((len(starts) - 1, LONGEST_NGRAM - SHORTEST_NGRAM + 1))
    room = _most_words(starts)
    hashes, grams, keys = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.uint64)
    sizes, slots, places = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    table, counts = np.empty(_table_size(room), dtype=np.uint64), np.empty(_table_size(room), dtype=np.int64)
    for text in range(len(starts) - 1):
        words = find_words(codes[starts[text] : starts[text + 1]], classes, forms, hashes, sizes)
        total = sizes[:words].sum()
        many = max(words - 1, 0)
        for word in range(many):
            grams[word], places[word] = joined(SEED, hashes[word]), word
        for length in range(SHORTEST_NGRAM, LONGEST_NGRAM + 1):
            for item in range(many):
                first = places[item]
                grams[first] = joined(grams[first], hashes[first + length - 1])
                keys[item] = grams[first]
            _enter(keys[:many], table, counts, slots)
            best = _most_frequent(slots[:many], counts)
            if best < 0:
                break  # what is longer does not repeat either
            wanted = best if length < FIRST_DUPLICATE_NGRAM else -1
            covered = _covered(places[:many], slots[:many], counts, wanted, sizes, length)
            result[text, length - SHORTEST_NGRAM] = covered / total
            many = _next_places(places[:many], slots[:many], counts)
    return result


@njit(cache=True, nogil=True)
def _line_end(codes: np.ndarray, first: int, end: int) -> int:
    """Where the line that begins at `first` ends, before its newline or at `end`."""
    while first < end and codes[first] != _NEWLINE:
        first += 1
    return first


@njit(cache=True, nogil=True)
def _stripped(codes: np.ndarray, classes: np.ndarray, bit: int, first: int, end: int) -> tuple[int, int]:
    """Where a stretch begins and ends without the characters of a class around it."""
    while first < end and classes[codes[first]] & bit:
        first += 1
    while end > first and classes[codes[end - 1]] & bit:
        end -= 1
    return first, end


@njit(cache=True, nogil=True)
def _hash(codes: np.ndarray, forms: np.ndarray, first: int, end: int) -> np.uint64:
    state = joined(SEED, np.uint64(end - first))
    for place in range(first, end):
        state = joined(state, np.uint64(forms[codes[place]]))
    return state


@njit(cache=True, nogil=True)
def hash_of_each(codes: np.ndarray, starts: np.ndarray, forms: np.ndarray) -> np.ndarray:
    """One hash for each text, uint64 [texts]."""
    hashes = np.empty(len(starts) - 1, dtype=np.uint64)
    for text in range(len(hashes)):
        hashes[text] = _hash(codes, forms, starts[text], starts[text + 1])
    return hashes


@njit(cache=True, nogil=True)
def _duplicates(
    keys: np.ndarray, sizes: np.ndarray, table: np.ndarray, counts: np.ndarray, slots: np.ndarray, row: np.ndarray
) -> None:
    """Number and characters of all parts, and of the different ones, into a row of four."""
    _enter(keys, table, counts, slots)
    row[0], row[1] = len(keys), sizes.sum()
    for part in range(len(keys)):
        if counts[slots[part]]:
            row[2] += 1
            row[3] += sizes[part]
            counts[slots[part]] = 0


@njit(cache=True, nogil=True)
def part_repetition(codes: np.ndarray, starts: np.ndarray, classes: np.ndarray, forms: np.ndarray) -> np.ndarray:
    """Lines that are not blank, and paragraphs, which blank lines part, both without the white space around them.

    int64 [texts, 2, 4]: for lines and for paragraphs their number, their characters, and both of the different ones.
    """
    result = np.zeros((len(starts) - 1, 2, 4), dtype=np.int64)
    room = _most_words(starts)
    lines, paragraphs = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.uint64)
    line_sizes, paragraph_sizes = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    table, slots = np.empty(_table_size(room), dtype=np.uint64), np.empty(room, dtype=np.int64)
    counts = np.empty(_table_size(room), dtype=np.int64)
    for text in range(len(starts) - 1):
        line_count = paragraph_count = 0
        line, paragraph, paragraph_end = starts[text], -1, -1
        while line <= starts[text + 1]:
            line_end = _line_end(codes, line, starts[text + 1])
            first, end = _stripped(codes, classes, SPACE, line, line_end)
            if end > first:
                lines[line_count], line_sizes[line_count] = _hash(codes, forms, first, end), end - first
                line_count += 1
                paragraph, paragraph_end = first if paragraph < 0 else paragraph, end
            if paragraph >= 0 and (end == first or line_end == starts[text + 1]):
                paragraphs[paragraph_count] = _hash(codes, forms, paragraph, paragraph_end)
                paragraph_sizes[paragraph_count] = paragraph_end - paragraph
                paragraph_count += 1
                paragraph = -1
            line = line_end + 1
        _duplicates(lines[:line_count], line_sizes[:line_count], table, counts, slots, result[text, 0])
        _duplicates(
            paragraphs[:paragraph_count], paragraph_sizes[:paragraph_count], table, counts, slots, result[text, 1]
        )
    return result


@njit(cache=True, nogil=True)
def _count_signs(codes: np.ndarray, classes: np.ndarray, row: np.ndarray) -> None:
    """The `SIGN_COUNTS` of a text; of dots in a row, each three are one ellipsis."""
    visible = letters = alphanumerics = digits = number_signs = ellipses = newlines = brackets = dots = 0
    for code in codes:
        bits = classes[code]
        visible += (bits & SPACE) == 0
        letters += (bits & LETTER) != 0
        alphanumerics += (bits & WORD) != 0 and code != _UNDERSCORE
        digits += _ZERO <= code <= _NINE
        number_signs += code == _NUMBER_SIGN
        newlines += code == _NEWLINE
        brackets += code == _CURLY_BRACKET
        ellipses += code == _ELLIPSIS
        dots = dots + 1 if code == _DOT else 0
        if dots == 3:
            ellipses += 1
            dots = 0
    row[0], row[1], row[2], row[3], row[4] = len(codes), visible, letters, alphanumerics, digits
    row[5], row[6], row[7], row[8] = number_signs, ellipses, newlines, brackets


@njit(cache=True, nogil=True)
def _count_words(
    codes: np.ndarray, classes: np.ndarray, lower: np.ndarray, stop_words: np.ndarray, row: np.ndarray
) -> tuple[int, int, int]:
    """Add the words of one line to the first three `WORD_COUNTS`.

    How many runs there are that white space parts, the characters of the longest, and a bit for each stop word.
    """
    place = seen = runs = longest = words = characters = lettered = 0
    while place < len(codes):
        first, has_letter = place, False
        while place < len(codes) and not classes[codes[place]] & SPACE:
            has_letter |= (classes[codes[place]] & LETTER) != 0
            place += 1
        if place > first:
            runs += 1
            longest = max(longest, place - first)
        begin, end = _stripped(codes, classes, MARK, first, place)
        if end > begin:
            words += 1
            characters += place - first
            lettered += has_letter
            if _SHORTEST_STOP_WORD <= end - begin <= _LONGEST_STOP_WORD:
                word = _hash(codes, lower, begin, end)
                for number in range(len(stop_words)):
                    if stop_words[number] == word:
                        seen |= 1 << number
        place += 1
    row[0] += words
    row[1] += characters
    row[2] += lettered
    return runs, longest, seen


@njit(cache=True, nogil=True)
def _phrase_prefixes(phrases: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """A bit for each phrase that has an ASCII character, other than 0, in its first, second or third place.

    uint64 [3, 128].
    """
    prefixes = np.zeros((_PREFIX, 128), dtype=np.uint64)
    for phrase in range(len(starts) - 1):
        for place in range(_PREFIX):
            prefixes[place, phrases[starts[phrase] + place]] |= np.uint64(1 << phrase)
    return prefixes


@njit(cache=True, nogil=True)
def _held_phrases(
    codes: np.ndarray, lower: np.ndarray, phrases: np.ndarray, starts: np.ndarray, prefixes: np.ndarray
) -> int:
    """A bit for each of the phrases, laid end to end in lower case, that a line holds."""
    held, first_bits, second_bits = 0, np.uint64(0), np.uint64(0)
    for place in range(len(codes)):
        code = lower[codes[place]]
        known = code if code < 128 else 0
        is_begun = second_bits & prefixes[2, known]
        second_bits, first_bits = first_bits & prefixes[1, known], prefixes[0, known]
        if not is_begun:
            continue
        first = place - _PREFIX + 1
        for phrase in range(len(starts) - 1):
            size = starts[phrase + 1] - starts[phrase]
            same = 0
            while first + size <= len(codes) and same < size:
                if lower[codes[first + same]] != phrases[starts[phrase] + same]:
                    break
                same += 1
            if same == size:
                held |= 1 << phrase
    return held


@njit(cache=True, nogil=True)
def _count_sentences(codes: np.ndarray, classes: np.ndarray) -> int:
    """How often a mark that ends sentences, quotation marks and brackets behind it, stands before white space or the
    end of a line; and one for what is left behind the last.
    """
    place, sentences, is_open = 0, 0, False
    while place < len(codes):
        if codes[place] not in _SENTENCE_MARKS:
            is_open |= not classes[codes[place]] & SPACE
            place += 1
            continue
        while place < len(codes) and codes[place] in _SENTENCE_MARKS:
            place += 1
        while place < len(codes) and codes[place] in _CLOSING_MARKS:
            place += 1
        is_open = place < len(codes) and not classes[codes[place]] & SPACE
        sentences += not is_open
    return sentences + is_open


@njit(cache=True, nogil=True)
def _count_line(
    codes: np.ndarray, classes: np.ndarray, bullets: np.ndarray, runs: int, longest: int, held: int, row: np.ndarray
) -> None:
    """Add one line, with the words and phrases found in it, to the `LINE_COUNTS`."""
    row[0] += len(codes) > 0
    row[1] += len(codes)
    row[2] = max(row[2], len(codes))
    first, end = _stripped(codes, classes, SPACE, 0, len(codes))
    if end == first:
        return
    row[3] += 1
    row[4] += end - first
    for bullet in bullets:
        row[5] += codes[first] == bullet
    dots = 0
    while dots < 3 and end - dots > first and codes[end - dots - 1] == _DOT:
        dots += 1
    has_ellipsis, is_punctuated = dots == 3 or codes[end - 1] == _ELLIPSIS, codes[end - 1] in _TERMINAL_MARKS
    row[6] += has_ellipsis
    row[7] += is_punctuated and not has_ellipsis
    row[8] += is_punctuated
    row[9] += len(codes) <= SHORT_LINE
    row[10] += runs < FEW_WORDS
    row[11] += held & 1
    row[12] += (held & 2) != 0
    row[13] += held > 3
    if runs >= FEW_WORDS and longest <= LONG_WORD and held < 2:
        sentences = _count_sentences(codes, classes)
        row[14] += sentences
        row[15] += sentences if is_punctuated and not has_ellipsis else 0
    if codes[first] == _NUMBER_SIGN:
        row[16] += end - first
    if codes[first] == _STAR or (
        codes[first] == _SLASH and end - first > 1 and (codes[first + 1] == _SLASH or codes[first + 1] == _STAR)
    ):
        row[17] += end - first


@njit(cache=True, nogil=True)
def count(
    codes: np.ndarray,
    starts: np.ndarray,
    classes: np.ndarray,
    lower: np.ndarray,
    stop_words: np.ndarray,
    bullets: np.ndarray,
    phrases: np.ndarray,
    phrase_starts: np.ndarray,
) -> np.ndarray:
    """The `COUNTS` of each text, int64 [texts, columns]; `stop_words` as `hash_of_each` gives them."""
    result = np.zeros((len(starts) - 1, len(COUNTS)), dtype=np.int64)
    prefixes = _phrase_prefixes(phrases, phrase_starts)
    for text in range(len(starts) - 1):
        content, row = codes[starts[text] : starts[text + 1]], result[text]
        _count_signs(content, classes, row[:_WORD_COLUMN])
        line = seen = 0
        while line <= len(content):
            end = _line_end(content, line, len(content))
            part = content[line:end]
            runs, longest, found = _count_words(part, classes, lower, stop_words, row[_WORD_COLUMN:_LINE_COLUMN])
            held = _held_phrases(part, lower, phrases, phrase_starts, prefixes)
            _count_line(part, classes, bullets, runs, longest, held, row[_LINE_COLUMN:])
            row[_LONGEST_WORD_COLUMN] = max(row[_LONGEST_WORD_COLUMN], longest)
            seen |= found
            line = end + 1
        while seen:
            row[_STOP_WORD_COLUMN] += seen & 1
            seen >>= 1
    return result


@njit(cache=True, nogil=True)
def count_listed(
    codes: np.ndarray, starts: np.ndarray, classes: np.ndarray, lower: np.ndarray, listed: np.ndarray
) -> np.ndarray:
    """How many words each text has as `find_words` finds them, and how many of the `listed`; int64 [texts, 2].

    `listed` are hashes of words as `hash_words` gives them, in ascending order.
    """
    result = np.zeros((len(starts) - 1, 2), dtype=np.int64)
    room = _most_words(starts)
    hashes, sizes = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    for text in range(len(starts) - 1):
        words = find_words(codes[starts[text] : starts[text + 1]], classes, lower, hashes, sizes)
        result[text, 0] = words
        for word in range(words):
            place = np.searchsorted(listed, hashes[word])
            result[text, 1] += place < len(listed) and listed[place] == hashes[word]
    return result


@njit(cache=True, nogil=True)
def behind_blank_line(data: np.ndarray, begins: np.ndarray, ends: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where the rest of each UTF-8 text behind its first blank line begins, int64; for those not `wanted`, itself."""
    result = begins.copy()
    for text in range(len(begins)):
        if wanted[text]:
            place = begins[text] + 1
            while place < ends[text] and not (data[place - 1] == _NEWLINE and data[place] == _NEWLINE):
                place += 1
            result[text] = min(place + 1, ends[text])
    return result


@njit(cache=True, nogil=True)
def decode_utf8(data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Code points, uint32, of stretches of bytes end to end, and where each begins, int64 [stretches + 1].

    What is not UTF-8 becomes the replacement character, without looking past the stretch.
    """
    total = 0
    for text in range(len(begins)):
        total += ends[text] - begins[text]
    codes, starts = np.empty(total, dtype=np.uint32), np.zeros(len(begins) + 1, dtype=np.int64)
    written = 0
    for text in range(len(begins)):
        place, end = begins[text], ends[text]
        while place < end:
            lead = np.uint32(data[place])
            if lead < 0x80:
                codes[written] = lead
                place += 1
            else:
                size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                code = lead & np.uint32(0x7F >> size)
                for behind in range(place + 1, min(place + size, end)):
                    code = (code << np.uint32(6)) | (np.uint32(data[behind]) & np.uint32(0x3F))
                codes[written] = code if place + size <= end and code < 0x110000 else np.uint32(0xFFFD)
                place += size
            written += 1
        starts[text + 1] = written
    return codes[:written], starts


@njit(cache=True, nogil=True)
def text_signatures(
    codes: np.ndarray,
    starts: np.ndarray,
    classes: np.ndarray,
    forms: np.ndarray,
    length: int,
    multipliers: np.ndarray,
    offsets: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The `signature` of each text over its n-grams of `length` words or all it has, and its words.

    uint32 [texts, functions] and int64 [texts].
    """
    signatures = np.empty((len(starts) - 1, len(multipliers)), dtype=np.uint32)
    words = np.empty(len(starts) - 1, dtype=np.int64)
    room = _most_words(starts)
    hashes, sizes = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    for text in range(len(words)):
        words[text] = find_words(codes[starts[text] : starts[text + 1]], classes, forms, hashes, sizes)
        grams = ngrams(hashes[: words[text]], max(min(length, words[text]), 1))
        signatures[text] = signature(grams, multipliers, offsets)
    return signatures, words


@njit(cache=True, nogil=True)
def text_shingles(
    codes: np.ndarray, starts: np.ndarray, classes: np.ndarray, forms: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """The different n-grams of each text, ascending and end to end, uint64, and how many each has, int64 [texts]."""
    room = _most_words(starts)
    hashes, sizes = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    found, counts = np.empty(len(codes) // 2 + len(starts), dtype=np.uint64), np.zeros(len(starts) - 1, dtype=np.int64)
    written = 0
    for text in range(len(counts)):
        words = find_words(codes[starts[text] : starts[text + 1]], classes, forms, hashes, sizes)
        grams = np.sort(ngrams(hashes[:words], max(min(length, words), 1)))
        for place in range(len(grams)):
            if place == 0 or grams[place] != grams[place - 1]:
                found[written] = grams[place]
                written += 1
                counts[text] += 1
    return found[:written].copy(), counts


@njit(cache=True, nogil=True)
def band_keys(signatures: np.ndarray, bands: int) -> np.ndarray:
    """One hash of each band of each signature, uint64 [bands, texts]; equal bands of two places have other hashes."""
    rows = signatures.shape[1] // bands
    keys = np.empty((bands, len(signatures)), dtype=np.uint64)
    for text in range(len(signatures)):
        for band in range(bands):
            key = joined(SEED, np.uint64(band))
            for value in signatures[text, band * rows : (band + 1) * rows]:
                key = joined(key, np.uint64(value))
            keys[band, text] = key
    return keys


@njit(cache=True, nogil=True)
def may_be_shared(keys: np.ndarray) -> np.ndarray:
    """Whether a key, uint64, may occur more than once, bool; of those that occur once, one in four or fewer may too."""
    table = np.zeros(4 * _table_size(len(keys)), dtype=np.uint8)
    last = np.uint64(len(table) - 1)
    for key in keys:
        slot = (key * MULTIPLIER >> _HALF) & last
        table[slot] = min(table[slot] + 1, 2)
    result = np.empty(len(keys), dtype=np.bool_)
    for place in range(len(keys)):
        result[place] = table[(keys[place] * MULTIPLIER >> _HALF) & last] > 1
    return result


@njit(cache=True, nogil=True)
def bucket_pairs(keys: np.ndarray, rows: np.ndarray, largest: int) -> np.ndarray:
    """Pairs of `rows` with the same key, int64 [pairs, 2]; keys ascend, and rows within a key.

    Of more than `largest` rows with one key, each is paired with the first and with the one before it.
    """
    total, begin = 0, 0
    for place in range(1, len(keys) + 1):
        if place == len(keys) or keys[place] != keys[begin]:
            size = place - begin
            total += 2 * (size - 1) if size > largest else size * (size - 1) // 2
            begin = place
    pairs = np.empty((total, 2), dtype=np.int64)
    written, begin = 0, 0
    for place in range(1, len(keys) + 1):
        if place == len(keys) or keys[place] != keys[begin]:
            for other in range(begin + 1, place):
                chained = place - begin > largest
                for one in range(begin, begin + 1 if chained else other):
                    pairs[written] = rows[one], rows[other]
                    written += 1
                if chained:
                    pairs[written] = rows[other - 1], rows[other]
                    written += 1
            begin = place
    return pairs


@njit(cache=True, nogil=True)
def shared_counts(values: np.ndarray, starts: np.ndarray, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many values each pair of ascending sets has in common, int64 [pairs]; sets lie end to end in `values`."""
    result = np.zeros(len(ones), dtype=np.int64)
    for pair in range(len(ones)):
        left, left_end = starts[ones[pair]], starts[ones[pair] + 1]
        right, right_end = starts[others[pair]], starts[others[pair] + 1]
        while left < left_end and right < right_end:
            one, other = values[left], values[right]
            result[pair] += one == other
            left += one <= other
            right += other <= one
    return result


@njit(cache=True, nogil=True)
def _root(parent: np.ndarray, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@njit(cache=True, nogil=True)
def join_rows(parent: np.ndarray, ones: np.ndarray, others: np.ndarray) -> None:
    """Join pairs of rows in a forest, int64, in which no row's parent is larger than itself."""
    for pair in range(len(ones)):
        one, other = _root(parent, ones[pair]), _root(parent, others[pair])
        parent[max(one, other)] = min(one, other)


@njit(cache=True, nogil=True)
def flatten(parent: np.ndarray) -> None:
    """Make each row's parent the smallest row that it is joined with."""
    for row in range(len(parent)):
        parent[row] = parent[parent[row]]


@njit(cache=True, nogil=True)
def find_paragraphs(
    codes: np.ndarray, starts: np.ndarray, classes: np.ndarray, forms: np.ndarray, least_words: int
) -> tuple[np.ndarray, np.ndarray]:
    """Paragraphs, which blank lines part, of `least_words` or more: a hash of the words of each, uint64, and its place.

    The place is int64 [paragraphs, 3]: the text, and where the paragraph begins and ends in it.
    """
    most = len(codes) // max(least_words, 1) + len(starts)
    hashes, places = np.empty(most, dtype=np.uint64), np.empty((most, 3), dtype=np.int64)
    room = _most_words(starts)
    words, sizes = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    found = 0
    for text in range(len(starts) - 1):
        line, begin, end = starts[text], -1, -1
        while line <= starts[text + 1]:
            line_end = _line_end(codes, line, starts[text + 1])
            first, last = _stripped(codes, classes, SPACE, line, line_end)
            if last > first:
                begin, end = line if begin < 0 else begin, line_end
            if begin >= 0 and (last == first or line_end == starts[text + 1]):
                count = find_words(codes[begin:end], classes, forms, words, sizes)
                if count >= least_words:
                    hashes[found] = ngrams(words[:count], count)[0]
                    places[found] = text, begin - starts[text], end - starts[text]
                    found += 1
                begin = -1
            line = line_end + 1
    return hashes[:found].copy(), places[:found].copy()


@njit(cache=True, nogil=True)
def place_table(keys: np.ndarray) -> np.ndarray:
    """A hash table of different keys, uint64: their places, int32, -1 where there is none."""
    table = np.full(_table_size(len(keys)), -1, dtype=np.int32)
    for place in range(len(keys)):
        slot = np.int64((keys[place] * MULTIPLIER) >> _HALF) & (len(table) - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = place
    return table


@njit(cache=True, nogil=True)
def ngram_hits(
    hashes: np.ndarray, starts: np.ndarray, length: int, keys: np.ndarray, table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """N-grams of the texts that are among `keys`, in order and as often as they occur; `table` is that of `keys`.

    The text and the place of each, int64 and int32; texts are hashes of words end to end.
    """
    texts, places = np.empty(len(hashes), dtype=np.int64), np.empty(len(hashes), dtype=np.int32)
    found = 0
    for text in range(len(starts) - 1):
        grams = ngrams(hashes[starts[text] : starts[text + 1]], length)
        for gram in grams:
            slot = np.int64((gram * MULTIPLIER) >> _HALF) & (len(table) - 1)
            while table[slot] >= 0 and keys[table[slot]] != gram:
                slot = (slot + 1) & (len(table) - 1)
            if table[slot] >= 0:
                texts[found], places[found] = text, table[slot]
                found += 1
    return texts[:found].copy(), places[:found].copy()


@njit(cache=True, nogil=True)
def hash_texts(
    codes: np.ndarray, starts: np.ndarray, classes: np.ndarray, forms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all words of the texts end to end, uint64, and where each text's begin, int64 [texts + 1]."""
    room = _most_words(starts)
    hashes, sizes = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    result, bounds = np.empty(len(codes) // 2 + len(starts), dtype=np.uint64), np.zeros(len(starts), dtype=np.int64)
    for text in range(len(starts) - 1):
        words = find_words(codes[starts[text] : starts[text + 1]], classes, forms, hashes, sizes)
        result[bounds[text] : bounds[text] + words] = hashes[:words]
        bounds[text + 1] = bounds[text] + words
    return result[: bounds[-1]].copy(), bounds
