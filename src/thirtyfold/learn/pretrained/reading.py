"""Reading: how a pretrained network wants its column: by the tokenizer, picture or sound settings of its own folder.

What comes out is one feature made of the encoder's own transforms, so a Package reads the same way without
transformers, and the exported graph takes the same inputs as that of any other network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.fieldtype import Array, Feature, Fitted
from thirtyfold.core.late import np
from thirtyfold.core.tokens import LONGEST, length_of, tokenizer_of
from thirtyfold.core.transform import Pixels, Tokens, Wave
from thirtyfold.learn.pretrained.origin import WHERE, Origin, transformers

__all__ = ["Wanted", "checked", "feature", "normal_of", "padding_of"]

MOST = 4_000_000_000
"""Bytes that the column may take for all training rows."""
SECONDS = 30.0
METHODS: tuple[Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"], ...] = (
    "nearest",
    "lanczos",
    "bilinear",
    "bicubic",
    "box",
    "hamming",
)
"""Pillow's ways of resizing in the order of their numbers, which preprocessor_config.json uses."""


class Wanted(NamedTuple):
    """What the Spec says of it: tokens of a row, seconds of a recording; None is by the training rows."""

    length: int | None
    seconds: float | None


def checked(origin: Origin, wanted: Wanted) -> None:
    """Find every fault of the folder's settings before anything runs. Raises SpecError."""
    match origin.form:
        case "tokens":
            _tokenizer(origin)
            _longest(origin, wanted.length)
        case "image":
            _pixels(origin)
        case _:
            _wave(origin)


def feature(origin: Origin, name: str, column: Array, wanted: Wanted) -> Fitted:
    """The one feature of a column of training values. Raises SpecError, and DataError where all would be too large."""
    match origin.form:
        case "tokens":
            fitted = _tokens(origin, name, [v or "" for v in column], wanted.length)
        case "image":
            op = _pixels(origin)
            why = f"'{name}': {op.width} x {op.height} points, as the folder's processor says"
            fitted = Fitted((Feature(name, (name,), (op,), shape=op.shape, form="image"),), why=why)
        case _:
            fitted = _sound(origin, name, column, wanted.seconds)
    size = 4 * fitted.features[0].width * len(column)
    if size > MOST:
        what = f"'{name}' takes {size / 1e9:.1f} GB for {len(column):,} training rows as this network reads it."
        raise DataError(Fault(WHERE, what, f"{MOST / 1e9:.0f} GB at most", "Take fewer rows, or a smaller network."))
    return fitted


def normal_of(origin: Origin) -> tuple[list[float], list[float]]:
    """What a picture's points, 0 to 255, are centered and scaled by, each channel; nothing for other columns."""
    if origin.form != "image":
        return [0.0], [1.0]
    told = origin.settings("image_processor")
    many = _pixels(origin).shape[0]
    scale = float(told.get("rescale_factor") or 1 / 255) if told.get("do_rescale", True) else 1.0
    if not told.get("do_normalize", True):
        return [0.0] * many, [1 / scale] * many
    mean, deviation = ([float(v) for v in told[n]] for n in ("image_mean", "image_std"))
    return [m / scale for m in mean], [d / scale for d in deviation]


def padding_of(origin: Origin) -> int:
    """The number of the token that stands after the end of a text."""
    return _tokenizer(origin)[1] if origin.form == "tokens" else 0


def _tokens(origin: Origin, name: str, texts: Sequence[str], length: int | None) -> Fitted:
    state, padding, special = _tokenizer(origin)
    longest = _longest(origin, None)
    length = _longest(origin, length) if length else min(longest, length_of(texts, state, special=special))
    cut = {"direction": "Right", "max_length": length, "strategy": "LongestFirst", "stride": 0}
    some = tokenizer_of(state).encode_batch([t[:LONGEST] for t in texts[:5000]], add_special_tokens=special)
    over = sum(len(e.ids) > length for e in some)
    state = json.dumps({**json.loads(state), "truncation": cut}, ensure_ascii=False)
    op = Tokens(tokenizer=state, length=length, special=special, padding=padding)
    many = int(origin.config["vocab_size"])
    why = (
        f"'{name}': {length} tokens in a row by the folder's own tokenizer; {over:,} of {len(some):,} texts are longer"
    )
    return Fitted((Feature(name, (name,), (op,), many, (length,), "tokens"),), why=why)


def _tokenizer(origin: Origin) -> tuple[str, int, bool]:
    """Its JSON, the number for padding, and whether it puts marks around a text. Raises SpecError."""
    if not any(
        (origin.path / name).is_file() for name in _VOCABULARIES
    ):  # without one, a library makes up an empty one
        what, hint = f"{origin.path} has no tokenizer.", "Save the tokenizer into the same folder."
        raise SpecError(Fault(WHERE, what, ", ".join(_VOCABULARIES), hint))
    library = transformers()
    try:
        own = library.AutoTokenizer.from_pretrained(origin.path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        reason = str(error).strip().split("\n")[0][:160]
        what = f"the tokenizer in {origin.path} cannot be loaded: {reason.rstrip('.')}."
        raise SpecError(Fault(WHERE, what, "tokenizer.json", "Save the tokenizer into the same folder.")) from None
    backend = getattr(own, "backend_tokenizer", None)
    if backend is None or not backend.get_vocab_size():
        what = f"the tokenizer in {origin.path} has no tokenizer.json and cannot be made one."
        raise SpecError(Fault(WHERE, what, "tokenizer.json", "Save a fast tokenizer into the same folder."))
    state = {**json.loads(backend.to_str()), "padding": None, "truncation": None}
    most, known = max(backend.get_vocab().values()) + 1, int(origin.config["vocab_size"])
    if most > known:
        what = f"the tokenizer in {origin.path} has numbers up to {most - 1:,}, its network knows {known:,} tokens."
        raise SpecError(Fault(WHERE, what, hint="They do not belong together: save both from the same model."))
    padding = own.pad_token_id if own.pad_token_id is not None else own.eos_token_id
    special = len(backend.encode("a", add_special_tokens=True).ids) > len(
        backend.encode("a", add_special_tokens=False).ids
    )
    return json.dumps(state, ensure_ascii=False), int(padding or 0), special


_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def _longest(origin: Origin, wanted: int | None) -> int:
    """The most tokens that have a position, or as many as are wanted. Raises SpecError where these are more."""
    places = origin.config.get("max_position_embeddings")
    most = int(places) if places and int(places) > 0 else 100_000
    if origin.config.get("model_type") in _SHIFTED:
        most -= int(origin.config.get("pad_token_id") or 0) + 1
    if wanted is not None and wanted > most:
        what = f"{wanted:,} tokens are asked for, and this network has positions for {most:,}."
        raise SpecError(Fault("model.pretrained.length", what, f"1 to {most}"))
    return wanted or most


_SHIFTED = {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "xlm-roberta-xl", "roberta-prelayernorm"}
"""Networks whose positions begin behind the number of the padding."""


def _pixels(origin: Origin) -> Pixels:
    """How pictures are resized and cut. Raises SpecError for settings that are not known."""
    told = origin.settings("image_processor")
    size, crop = _sized(told.get("size")), _sized(told.get("crop_size")) if told.get("do_center_crop") else {}
    edge, side = size.get("shortest_edge", 0), (size.get("height", 0), size.get("width", 0))
    if edge and told.get("crop_pct") and not crop:
        crop, edge = {"height": edge, "width": edge}, int(edge / float(told["crop_pct"])) if edge < 384 else edge
    if edge and crop:
        side = (crop["height"], crop["width"])
    elif crop and side != (crop["height"], crop["width"]):
        side = (0, 0)
    resample = int(told.get("resample", 2))
    if not all(side) or not told.get("do_resize", True) or resample not in range(6) or (edge and edge < max(side)):
        what = f"the picture settings in {origin.path} are not known here: size {told.get('size')}, "
        what += (
            f"crop_size {told.get('crop_size')}, resample {told.get('resample')}, do_resize {told.get('do_resize')}."
        )
        allowed = "size {height, width}, or size {shortest_edge} with crop_size"
        raise SpecError(Fault(WHERE, what, allowed))
    if told.get("do_normalize", True) and not all(isinstance(told.get(n), list) for n in ("image_mean", "image_std")):
        raise SpecError(Fault(WHERE, f"the picture settings in {origin.path} have no image_mean or image_std."))
    channels = int(origin.config.get("num_channels") or 3)
    fixed = origin.config.get("image_size")
    fixed = [fixed, fixed] if isinstance(fixed, int) else fixed
    if isinstance(fixed, list | tuple) and tuple(fixed) != side and origin.config.get("model_type") in _SQUARES:
        what = (
            f"its processor makes pictures of {side[1]} x {side[0]} points, its network wants {fixed[1]} x {fixed[0]}."
        )
        raise SpecError(Fault(WHERE, what, hint="They do not belong together: save both from the same model."))
    if channels not in (1, 3):
        raise SpecError(Fault(WHERE, f"its network wants pictures of {channels} channels.", "1 or 3"))
    return Pixels(
        height=side[0], width=side[1], color=channels == 3, method=METHODS[resample], edge=edge, fill=127.5
    )  # fmt: skip


_SQUARES = {"vit", "deit", "beit", "vit_mae", "vit_msn", "data2vec-vision", "dinov2", "ijepa"}
"""Networks that cut pictures into squares, each with a place of its own."""


def _sized(value: Any) -> dict[str, int]:
    """A size as transformers spells it in its older and newer ways."""
    if isinstance(value, int):
        return {"height": value, "width": value}
    return {str(n): int(v) for n, v in value.items() if v} if isinstance(value, dict) else {}


def _wave(origin: Origin) -> tuple[int, Literal["no", "heard", "whole"]]:
    """Samples a second, and what of each recording is leveled. Raises SpecError for what reads no plain wave."""
    told = origin.settings("feature_extractor")
    kind = told.get("feature_extractor_type", told.get("processor_class", ""))
    rate = told.get("sampling_rate")
    bands = "num_mel_bins" in told or "num_mel_bins" in origin.config or told.get("feature_size", 1) != 1
    if not isinstance(rate, int) or bands or float(told.get("padding_value") or 0) != 0:
        what = f"the sound settings in {origin.path} ({kind}) do not give a plain wave."
        raise SpecError(Fault(WHERE, what, "a network that reads the wave itself: wav2vec2, HuBERT, WavLM"))
    if not told.get("do_normalize", True):
        return rate, "no"
    return rate, "heard" if told.get("return_attention_mask") else "whole"


def _sound(origin: Origin, name: str, column: Array, seconds: float | None) -> Fitted:
    from thirtyfold.core import sound
    from thirtyfold.core.content import each

    rate, level = _wave(origin)
    some = [v for v in column[:: max(1, len(column) // 200)] if v is not None]
    if seconds is None:
        told = each(some, "length", lambda data: np.array(sound.length_of(data)), np.zeros(2))
        seconds = min(SECONDS, max(0.1, float(np.quantile(told[:, 0], 0.95)))) if some else 1.0
    least = _least(origin)
    op = Wave(rate=rate, samples=max(least, round(seconds * rate)), level=level)
    why = f"'{name}': {op.samples / rate:.2f} seconds at {rate:,} samples a second, as the folder's extractor says"
    return Fitted((Feature(name, (name,), (op,), shape=op.shape, form="frames"),), why=why)


def _least(origin: Origin) -> int:
    """The samples that give a few frames: each convolution takes ``kernel`` of them every ``stride``."""
    need = 4
    sides = (origin.config.get("conv_kernel") or (), origin.config.get("conv_stride") or ())
    for kernel, stride in reversed(list(zip(*sides, strict=True))):
        need = (need - 1) * stride + kernel
    return need
