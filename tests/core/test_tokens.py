"""Texts as tokens: learned from the training rows, the same each time, and of every script."""

import json
import subprocess
import sys

import numpy as np
import pytest

from thirtyfold.core.tokens import codes, length_of, tokenizer_of
from thirtyfold.core.transform import Tokens
from thirtyfold.data.tokenizing import learned
from thirtyfold.data.types.text import Text

TEXTS = [
    "the cat sat on the mat",
    "the dog sat on the log",
    "Call 0800 123 now, the prize is 500!",
    "später, naïve?",
] * 20
STRANGE = ["", None, "日本語のテキスト", "😀😀", "[PAD] [UNK]", "مرحبا", "a" * 5000]


@pytest.mark.parametrize("pieces", ["bpe", "wordpiece"])
def test_the_same_texts_give_the_same_tokenizer_in_another_process(pieces):
    code = (
        "import json, sys; from thirtyfold.data.tokenizing import learned; "
        "sys.stdout.write(learned(json.loads(sys.argv[1]), sys.argv[2], 300))"
    )
    texts = json.dumps(TEXTS)
    others = [
        subprocess.run([sys.executable, "-c", code, texts, pieces], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert others == [learned(TEXTS, pieces, 300)] * 2


def test_bytes_hold_every_script_and_words_say_what_they_do_not_know():
    bpe, words = learned(TEXTS, "bpe", 300), learned(TEXTS, "wordpiece", 300)
    for text in STRANGE:
        if text and text != "a" * 5000:
            found = tokenizer_of(bpe).encode(text)
            assert 1 not in found.ids and 0 not in found.ids
            assert tokenizer_of(bpe).decode(found.ids).strip() == text
    unknown = codes(np.array(["日本語"], dtype=object), words, 4)
    assert unknown[0].tolist() == [1, 1, 1, 0]  # a sign stands for a word
    same = codes(np.array(["The CAT", "the cat"], dtype=object), words, 6)
    assert same[0].tolist() == same[1].tolist()
    assert tokenizer_of(words).encode("0800").tokens == ["0", "8", "0", "0"]


def test_rows_are_cut_and_padded_and_what_is_missing_is_empty():
    op = Tokens(tokenizer=learned(TEXTS, "bpe", 300), length=8)
    out = op.apply(np.array(STRANGE, dtype=object))
    assert out.shape == (len(STRANGE), 8) and out.dtype == np.float32
    assert not out[0].any() and not out[1].any() and out[-1].all()
    assert Tokens.model_validate_json(op.model_dump_json()) == op


def test_a_text_column_knows_how_long_its_rows_are():
    fitted = Text().fit("message", np.array(TEXTS, dtype=object), "tokens", None)
    (feature,) = fitted.features
    (op,) = feature.chain
    assert feature.form == "tokens" and feature.shape == (op.length,) and op.length % 8 == 0
    counts = [len(tokenizer_of(op.tokenizer).encode(t).ids) for t in TEXTS]
    assert op.length >= np.quantile(counts, 0.98) and op.length == length_of(TEXTS, op.tokenizer)
    assert feature.categories == tokenizer_of(op.tokenizer).get_vocab_size()
    assert (op.apply(np.array(TEXTS, dtype=object)) < feature.categories).all()
    assert Text(length=5).fit("m", np.array(TEXTS, dtype=object), "tokens", None).features[0].shape == (5,)
