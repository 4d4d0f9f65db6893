"""Sound: a recording's file to a wave and to log-mel frames, with NumPy alone, the same in training and at serving."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

from thirtyfold.core.errors import Fault, MissingExtra
from thirtyfold.core.late import Array, np

__all__ = ["FLOOR", "facts", "length_of", "log_mel", "mel_filters", "resampled", "samples_of", "spectrum", "wave"]

FLOOR = 1e-6
"""Power below which all is silence; its logarithm is what padding holds."""


def _soundfile() -> Any:
    try:
        import soundfile
    except (ModuleNotFoundError, OSError):
        what = "sounds need soundfile, which is not installed: pip install 'thirtyfold[media]'"
        raise MissingExtra(Fault("fields", what)) from None
    return soundfile


def length_of(data: bytes) -> tuple[float, int]:
    """Seconds and samples a second, from the header. Raises ValueError."""
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as opened:
            rate, frames = int(opened.samplerate), int(opened.frames)
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        raise ValueError("it is not a sound that can be read") from None
    if rate <= 0 or frames <= 0:
        raise ValueError("the sound has no samples")
    return frames / rate, rate


def wave(data: bytes, rate: int, seconds: float) -> Array:
    """The first seconds of a recording as float32 (samples,), all channels together, at this rate.

    Raises ValueError for what is no sound, holds no sample, or breaks off before its header says.
    """
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as opened:
            own = int(opened.samplerate)
            asked = min(int(opened.frames), math.ceil((seconds + 0.1) * own))
            heard = opened.read(asked, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        raise ValueError("it is not a sound that can be read") from None
    if not len(heard):
        raise ValueError("the sound has no samples")
    if len(heard) < asked:
        raise ValueError(f"the sound breaks off: {asked:,} samples were promised, {len(heard):,} are there")
    mono = np.nan_to_num(heard.mean(axis=1, dtype=np.float32), posinf=1.0, neginf=-1.0)
    if own != rate:
        mono = resampled(mono, own, rate)
    found: Array = mono[: max(1, round(seconds * rate))]
    return found


def samples_of(data: bytes, rate: int, samples: int, level: str) -> Array:
    """A recording as float32 (samples,): cut, or filled up with silence.

    ``level`` is what is brought to mean 0 and deviation 1: ``heard``, the ``whole`` with its silence, or ``no``.
    """
    heard = wave(data, rate, samples / rate)[:samples]
    full = np.zeros(samples, dtype=np.float32)
    full[: len(heard)] = _leveled(heard) if level == "heard" else heard
    return _leveled(full) if level == "whole" else full


def _leveled(samples: Array) -> Array:
    found: Array = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    return found.astype(np.float32)


def resampled(samples: Array, own: int, rate: int) -> Array:
    """Samples at another rate, float32 (samples * rate / own,): each new one is a weighted sum of those around it,
    by a sinc under a Kaiser window (J. O. Smith, "Digital Audio Resampling"), so that nothing folds down from above.
    """
    shared = math.gcd(own, rate)
    up, down = rate // shared, own // shared
    bank, half = _bank(up, down)
    many = -(-len(samples) * up // down)
    padded = np.pad(samples.astype(np.float32), (half, half + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    out = np.empty(many, dtype=np.float32)
    for start in range(0, many, 32_768):  # so that an hour needs no more memory than a second
        at = np.arange(start, min(many, start + 32_768), dtype=np.int64) * down
        out[start : start + len(at)] = np.einsum("ij,ij->i", windows[at // up], bank[at % up])
    return out


@lru_cache(maxsize=16)
def _bank(up: int, down: int) -> tuple[Array, int]:
    """The weights for each of the ``up`` places between two old samples, float32 (up, 2 * half + 1), and ``half``."""
    cutoff = min(1.0, up / down) * 0.95
    half = math.ceil(20 / cutoff)
    away = np.arange(-half, half + 1)[None, :] - np.arange(up)[:, None] / up
    window = np.i0(9.0 * np.sqrt(np.maximum(0.0, 1 - (away / (half + 1)) ** 2))) / np.i0(9.0)
    weights = cutoff * np.sinc(cutoff * away) * window
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), half


@lru_cache(maxsize=32)
def mel_filters(rate: int, window: int, bands: int) -> Array:
    """Triangles over the spectrum, (window // 2 + 1, bands), on the mel scale of O'Shaughnessy (HTK's formula)."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    bins = np.linspace(0, rate / 2, window // 2 + 1)
    rise = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    fall = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
    return np.maximum(0.0, np.minimum(rise, fall))


def spectrum(samples: Array, window: int, hop: int) -> Array:
    """Power of each frame, (1 + samples // hop, window // 2 + 1): what ``torch.stft`` gives with a Hann window and
    ``center=True, pad_mode="constant"``, squared.
    """
    half = window // 2
    padded = np.pad(samples.astype(np.float64), (half, half))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][: 1 + len(samples) // hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2


def log_mel(data: bytes, rate: int, frames: int, window: int, hop: int, bands: int, *, level: bool) -> Array:
    """A recording as float32 (frames, bands): the logarithm of the power in each band of each frame.

    It is cut or filled up with silence to ``frames`` frames of ``hop`` samples; with ``level`` the loudest moment is
    made 1 before (but for silence), so that it does not matter how far the microphone was.
    """
    samples = (frames - 1) * hop
    heard = wave(data, rate, samples / rate)[:samples]
    if level:
        peak = float(np.abs(heard).max())
        heard = heard / peak if peak > 1e-3 else heard
    full = np.zeros(samples, dtype=np.float32)
    full[: len(heard)] = heard
    power = spectrum(full, window, hop) @ mel_filters(rate, window, bands)
    # Of a window of any length, full scale is about 1.
    return np.log(np.maximum(power / (window / 4) ** 2, FLOOR)).astype(np.float32)


def facts(data: bytes) -> Array:
    """What is cheap to know of a recording: loudness (decibels below full), share of silence and seconds, of its first
    half minute; float32 (3,).
    """
    seconds, rate = length_of(data)
    heard = wave(data, rate, 30.0).astype(np.float64)
    step = max(1, rate // 50)
    whole = heard[: len(heard) // step * step].reshape(-1, step) if len(heard) >= step else heard[None]
    power = (whole**2).mean(axis=1)
    loud = power > max(float(power.max()) * 1e-4, 1e-12)
    return np.array([10 * math.log10(max(float((heard**2).mean()), 1e-12)), 1 - loud.mean(), seconds], dtype=np.float32)
