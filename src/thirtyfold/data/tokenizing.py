"""Tokenizing: a tokenizer learned from the training rows."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from thirtyfold.core.tokens import LONGEST, library

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["PADDING", "UNKNOWN", "Pieces", "learned"]

PADDING, UNKNOWN = "[PAD]", "[UNK]"
Pieces = Literal["bpe", "wordpiece"]
TEXTS = 200_000
"""Texts at most that a tokenizer is learned from: more of them hardly change which pieces are frequent."""


def learned(texts: Sequence[str], pieces: Pieces, vocabulary: int) -> str:
    """A tokenizer as JSON: at most ``vocabulary`` pieces, the most frequent of these texts; the same texts give the
    same tokenizer.

    ``bpe`` works on bytes, so that no text of any script is ever unknown, and keeps case; ``wordpiece`` works on words
    in lower case without accents, and knows only letters it has seen. Figures stand alone in both: a telephone number
    is a row of figures, not a word.
    """
    t = library()
    some = [x[:LONGEST] for x in (texts if len(texts) <= TEXTS else texts[:: -(-len(texts) // TEXTS)])]
    figures = t.pre_tokenizers.Digits(individual_digits=True)
    tokenizer = t.Tokenizer(t.models.BPE())
    if pieces == "bpe":
        tokenizer.normalizer = t.normalizers.NFKC()
        split, alphabet = (
            t.pre_tokenizers.ByteLevel(add_prefix_space=True),
            sorted(t.pre_tokenizers.ByteLevel.alphabet()),
        )
        tokenizer.decoder = t.decoders.ByteLevel()
    else:
        tokenizer.normalizer = t.normalizers.BertNormalizer()
        split, alphabet = t.pre_tokenizers.BertPreTokenizer(), []
    tokenizer.pre_tokenizer = t.pre_tokenizers.Sequence([figures, split])
    trainer = t.trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[PADDING, UNKNOWN], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(some, trainer, length=len(some))
    if pieces == "wordpiece":
        tokenizer.model = t.models.WordPiece(_word_pieces(tokenizer, some, vocabulary), unk_token=UNKNOWN)
        tokenizer.decoder = t.decoders.WordPiece()
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = []  # or a text that says "[PAD]" would be taken for padding
    return json.dumps(state, ensure_ascii=False)


def _word_pieces(tokenizer: "Tokenizer", texts: Sequence[str], vocabulary: int) -> dict[str, int]:
    """Pieces with their numbers, by how often byte-pair merges cut the words of the texts into them.

    The library's own trainer numbers equally frequent pieces as they fall out of a table with a random order, and two
    runs would not learn the same.
    """
    seen: Counter[str] = Counter()
    for start in range(0, len(texts), 10_000):
        for found in tokenizer.encode_batch(list(texts[start : start + 10_000])):
            words = [None, *found.word_ids[:-1]]
            seen.update(
                piece if word != before else f"##{piece}"
                for piece, word, before in zip(found.tokens, found.word_ids, words, strict=True)
            )
    letters = sorted(p for p in seen if len(p.removeprefix("##")) == 1)
    rest = sorted((p for p in seen if len(p.removeprefix("##")) > 1), key=lambda p: (-seen[p], p))
    kept = [PADDING, UNKNOWN, *letters, *rest]
    return {piece: number for number, piece in enumerate(kept[: max(vocabulary, len(letters) + 2)])}
