"""Recordings of every make; power, bands and another rate against PyTorch, the formula, and a wave that is known."""

import io
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from thirtyfold.core.sound import FLOOR, facts, length_of, log_mel, mel_filters, resampled, spectrum, wave


def saved(samples: Any, rate: int = 8000, kind: str = "WAV", coding: str | None = None) -> bytes:
    held = io.BytesIO()
    soundfile.write(held, samples, rate, coding, format=kind)
    return held.getvalue()


def tone(pitch: float, seconds: float, rate: int, loud: float = 0.5) -> Any:
    return loud * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


def test_power_is_that_of_torch_stft() -> None:
    samples = np.random.default_rng(0).normal(size=5000)
    window = torch.hann_window(512, dtype=torch.float64)
    theirs = torch.stft(torch.from_numpy(samples), 512, 160, window=window, pad_mode="constant", return_complex=True)
    assert np.allclose(spectrum(samples, 512, 160), theirs.abs().numpy().T ** 2, rtol=1e-10, atol=1e-10)


def test_bands_follow_the_mel_scale() -> None:
    filters = mel_filters(16_000, 512, 40)
    assert filters.shape == (257, 40) and filters.min() >= 0 and filters.max() <= 1
    middle = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42)[1:-1] / 2595) - 1)
    assert np.abs(filters.argmax(axis=0) * 31.25 - middle)[3:].max() <= 31.25  # the nearest bin of the spectrum


@pytest.mark.parametrize(("own", "rate"), [(44_100, 16_000), (8000, 16_000), (48_000, 8000), (11_025, 8000)])
def test_another_rate_keeps_the_wave_and_folds_nothing_down(own: int, rate: int) -> None:
    low, high = tone(440, 1, own), tone(0.47 * own, 1, own) if own > rate else 0.0
    got, wanted = resampled(low + high, own, rate), tone(440, 1, rate)
    assert len(got) == len(wanted)
    assert np.abs(got - wanted)[200:-200].max() < 1e-3


@pytest.mark.parametrize(
    "data",
    [
        saved(tone(440, 1, 8000)),
        saved(tone(440, 1, 8000), coding="PCM_U8"),
        saved(np.stack([tone(440, 1, 8000)] * 2, 1)),
        saved(tone(440, 1, 8000), kind="FLAC"),
        saved(tone(440, 1, 22_050), 22_050),
        saved(tone(440, 1, 16_000), 16_000, "OGG"),
    ],
    ids=["16-bit", "8-bit", "stereo", "flac", "other-rate", "ogg"],
)
def test_a_tone_is_loudest_in_its_band(data: bytes) -> None:
    mel = log_mel(data, 8000, 50, 256, 80, 40, level=True)
    assert mel.shape == (50, 40) and mel.dtype == np.float32
    filters = mel_filters(8000, 256, 40)
    assert abs(int(mel[5:45].mean(axis=0).argmax()) - int(filters[round(440 / 31.25)].argmax())) <= 1


def test_level_makes_near_and_far_alike_and_leaves_silence() -> None:
    near, far = (log_mel(saved(tone(440, 1, 8000, v)), 8000, 50, 256, 80, 40, level=True) for v in (0.9, 0.09))
    assert np.abs(near - far).max() < 0.6 and abs(float(near.max() - far.max())) < 0.01
    silent = log_mel(saved(np.zeros(8000)), 8000, 50, 256, 80, 40, level=True)
    assert np.allclose(silent, np.log(FLOOR))


def test_short_is_filled_with_silence_long_is_cut_clipped_is_heard() -> None:
    short = log_mel(saved(tone(440, 0.1, 8000)), 8000, 50, 256, 80, 40, level=True)
    assert np.allclose(short[20:], np.log(FLOOR)) and short[:8].max() > -3
    hour = saved(np.zeros(3600 * 500), 500, coding="PCM_U8")
    assert length_of(hour) == (3600.0, 500)
    assert len(wave(hour, 500, 2.0)) == 1000
    clipped = log_mel(saved(np.sign(tone(440, 1, 8000))), 8000, 50, 256, 80, 40, level=True)
    assert np.isfinite(clipped).all()


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no sound", saved(np.zeros(0))], ids=["empty", "head", "text", "none"])
def test_what_cannot_be_heard_says_why(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a sound|no samples"):
        wave(data, 8000, 1.0)


def test_facts_are_loudness_silence_and_seconds() -> None:
    data = saved(np.concatenate([tone(440, 1, 8000, 1.0), np.zeros(8000)]))
    loudness, silence, seconds = facts(data)
    assert loudness == pytest.approx(10 * np.log10(0.25), abs=0.05)  # half of the time a sine of full scale
    assert silence == pytest.approx(0.5, abs=0.02) and seconds == 2
