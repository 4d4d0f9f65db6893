"""Origin: where a pretrained network comes from: a folder as transformers writes it, or a name on the hub.

Everything is looked at before anything is loaded: weights are safetensors that are whole, the architecture is one that
transformers itself has, and no code of the folder is ever run. Through the hub only the files that are needed come,
and the copy that transformers keeps is used where it is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from thirtyfold.core.errors import Fault, MissingExtra, SpecError
from thirtyfold.core.family import nearest
from thirtyfold.core.fieldtype import Form

__all__ = ["WHERE", "Origin", "configured", "origin_of", "transformers"]

WHERE = "model.pretrained.folder"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5")
"""Weights in forms that can run code when they are loaded, or that need another library."""
NEEDED = ("*.json", "*.safetensors", "*.txt", "*.model")
FORMS: dict[str, Form] = {"input_ids": "tokens", "pixel_values": "image", "input_values": "frames"}
"""What a network's main input is called, and the form of a column that is read so."""
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)


class Origin(NamedTuple):
    """A folder that was found fit: its config as transformers keeps it, and the form of the column it reads."""

    path: Path
    config: dict[str, Any]
    form: Form
    seal: str
    """The hash of every file that decides anything."""

    def settings(self, part: str) -> dict[str, Any]:
        """How pictures or sounds are prepared: of ``image_processor`` or ``feature_extractor``. Raises SpecError."""
        found = _json(self.path / "preprocessor_config.json") or _json(self.path / "processor_config.json").get(part)
        if not isinstance(found, dict):
            what = f"{self.path} has no preprocessor_config.json: how its network wants its {part.partition('_')[0]} "
            raise SpecError(Fault(WHERE, f"{what}is not known.", hint="Save its processor into the same folder."))
        return found


def transformers() -> Any:
    """The library, quiet and without its progress bars; raises MissingExtra that says how to get it."""
    try:
        import transformers as library
    except ModuleNotFoundError:
        what = "a pretrained model needs transformers, which is not installed: pip install 'thirtyfold[pretrained]'"
        raise MissingExtra(Fault("model.pretrained", what)) from None
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


def origin_of(name: str, revision: str | None = None, *, fetch: bool = False) -> Origin | None:
    """The folder, or what the hub has under this name; None where that is not here yet and ``fetch`` is not asked for.

    Raises SpecError for what cannot be used, with every reason that is known at once.
    """
    place = Path(name).expanduser()
    if not place.is_dir():
        here = _on_hub(name, place, revision, fetch=fetch)
        if here is None:
            return None
        place = here
    files = sorted(p for p in place.iterdir() if p.is_file())
    return _looked_at(place, tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files))


def _on_hub(name: str, place: Path, revision: str | None, *, fetch: bool) -> Path | None:
    """The copy that is kept of a hub's model, fetched first where that is wanted and possible."""
    if place.exists() or name.startswith((".", "/", "~")) or not _HUB.fullmatch(name):
        what = "is a file, not a folder" if place.exists() else "there is no such folder"
        parent = place.parent if place.parent.is_dir() else Path()
        hint = nearest(place.name, [p.name for p in parent.iterdir() if p.is_dir()])
        raise SpecError(Fault(WHERE, f"'{name}': {what}.", "a folder with config.json and *.safetensors", hint))
    transformers()
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    offline = bool(constants.HF_HUB_OFFLINE) or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    asked: dict[str, Any] = {"revision": revision, "allow_patterns": list(NEEDED)}
    try:
        return Path(snapshot_download(name, local_files_only=True, **asked))
    except LocalEntryNotFoundError:
        if not fetch and not offline:
            return None
    if offline:
        what = f"there is no folder '{name}', no copy of a model of that name is kept here, and HF_HUB_OFFLINE is set."
        raise SpecError(Fault(WHERE, what, hint="Fetch it once where there is a network, or name a folder."))
    try:
        return Path(snapshot_download(name, **asked))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        what = f"there is no folder '{name}', and the hub did not give a model of that name: {reason.rstrip('.')}."
        raise SpecError(Fault(WHERE, what, hint="Is the name right, and is there a network?")) from None


@lru_cache(maxsize=8)
def _looked_at(place: Path, files: tuple[tuple[str, int, int], ...]) -> Origin:
    """Everything about a folder that can be known without loading its weights; the same files are looked at once."""
    raw = _json(place / "config.json")
    if not raw:
        what = "has no config.json" if not (place / "config.json").is_file() else "has a config.json that is not JSON"
        adapter = (place / "adapter_config.json").is_file()
        hint = "It holds a LoRA adapter alone: merge it into its model first." if adapter else ""
        raise SpecError(Fault(WHERE, f"{place} {what}.", "a folder with config.json and *.safetensors", hint))
    names = [name for name, _, _ in files]
    _weighed(place, names)
    config = configured(raw, str(place))
    return Origin(place, config.to_dict(), _form(config, place), _seal(place, names))


def _weighed(place: Path, names: list[str]) -> None:
    """Raises SpecError for weights that are pickled, missing or cut off."""
    tensors = [n for n in names if n.endswith(".safetensors")]
    index = _json(place / "model.safetensors.index.json").get("weight_map", {})
    tensors = sorted(set(index.values())) if index else [n for n in tensors if n == "model.safetensors"] or tensors
    pickled = [n for n in names if n.endswith(PICKLES)]
    if not tensors:
        said = f", but {', '.join(pickled)}: a pickle can run code when it is loaded, and is refused"
        what = f"{place} has no weights as safetensors{said if pickled else ''}."
        hint = "Save it anew with model.save_pretrained(folder): that writes safetensors."
        raise SpecError(Fault(WHERE, what, "*.safetensors", hint))
    for name in tensors:
        _whole(place / name)


def _whole(path: Path) -> None:
    """Look at the head of a file of safetensors: a length (8 bytes), then JSON, then all tensors, to its very end.

    Raises SpecError for a file that is not there, or does not end where it says.
    """
    try:
        with path.open("rb") as file:
            (long,) = struct.unpack("<Q", file.read(8))
            size = path.stat().st_size
            head: dict[str, Any] = json.loads(file.read(long)) if long <= size else {"": {}}
        end = max((t["data_offsets"][1] for n, t in head.items() if n != "__metadata__"), default=0)
        if 8 + long + end == size:
            return
        what = f"is cut off or damaged: {8 + long + end:,} bytes were promised, {size:,} are there."
    except FileNotFoundError:
        what = "is named by model.safetensors.index.json and is not there."
    except (struct.error, ValueError, AttributeError, KeyError, TypeError):
        what = "is cut off or damaged: its head cannot be read."
    raise SpecError(Fault(WHERE, f"{path} {what}", hint="Copy the folder again."))


def configured(raw: dict[str, Any], where: str) -> Any:
    """A config as transformers' own class; raises SpecError for an architecture that it does not have."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

    kind = raw.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING_NAMES:
        version = transformers().__version__
        what = f"the config of {where} is of the architecture '{kind}', which transformers {version} does not have."
        what += " Its own code is not run." if raw.get("auto_map") else ""
        raise SpecError(Fault(WHERE, what, hint=nearest(str(kind), CONFIG_MAPPING_NAMES)))
    try:
        return CONFIG_MAPPING[kind].from_dict({n: v for n, v in raw.items() if n != "auto_map"})
    except (ValueError, TypeError, KeyError, AttributeError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(
            Fault(WHERE, f"the config of {where} is no config of '{kind}': {reason.rstrip('.')}.")
        ) from None


def _form(config: Any, place: Path) -> Form:
    """The form of the column that its network reads; raises SpecError for one that reads several or none of ours."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    kind: Any = MODEL_MAPPING.get(type(config), None)
    kind = kind[0] if isinstance(kind, tuple) else kind
    main = getattr(kind, "main_input_name", "")
    several = getattr(config, "is_encoder_decoder", False) or hasattr(config, "text_config")
    if kind is None or main not in FORMS or several:
        what = f"'{config.model_type}' in {place} "
        what += "reads and writes, or reads several things at once" if several else f"reads '{main or 'nothing known'}'"
        allowed = "a network that reads one text, picture or wave: BERT, ViT, ResNet, wav2vec2 and their kinds"
        raise SpecError(Fault(WHERE, f"{what}, which cannot be gone on from here.", allowed))
    return FORMS[main]


def _seal(place: Path, names: list[str]) -> str:
    """One hash of every file that decides anything, by name."""
    whole = hashlib.sha256()
    for name in names:
        if name.endswith((".json", ".safetensors", ".txt", ".model")):
            with (place / name).open("rb") as file:
                whole.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def _json(path: Path) -> dict[str, Any]:
    """A file's JSON object; an empty one where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
