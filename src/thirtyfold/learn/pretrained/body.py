"""Body: a network of transformers as one part of ours: a block of the row in, one embedding out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from thirtyfold.core.encoder import Block
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.learn.nets.stems import Normal, centering
from thirtyfold.learn.pretrained.origin import WHERE, configured, transformers

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Pool", "body", "empty", "loaded"]

Pool = Literal["mean", "first"]


def empty(config: Mapping[str, Any]) -> Any:
    """The network of a config, with weights as its own library draws them."""
    model = transformers().AutoModel.from_config(_steady(config), trust_remote_code=False)
    return _plain(model)


def loaded(path: Path, config: Mapping[str, Any]) -> Any:
    """The network of a folder with its weights, in float32. Raises SpecError where these do not fit the config."""
    import torch

    library = transformers()
    try:
        model, told = library.AutoModel.from_pretrained(
            path, config=_steady(config), use_safetensors=True, local_files_only=True, trust_remote_code=False,
            dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise SpecError(Fault(WHERE, f"the weights in {path} cannot be loaded: {reason.rstrip('.')}.")) from None
    spare = ("pooler.", "masked_spec_embed", "lm_head", "embeddings.mask_token", "embeddings.position_ids")
    wrong = {"missing": told["missing_keys"], "of another size": told["mismatched_keys"]}
    for what, names in wrong.items():
        found = sorted(str(n[0] if isinstance(n, tuple) else n) for n in names)
        found = [n for n in found if not any(s in n for s in spare)]
        if found:
            said = f"the weights in {path} do not fit its config.json: {len(found)} are {what}, such as {found[0]}."
            raise SpecError(Fault(WHERE, said, hint="Were weights and config saved from the same model?"))
    return _plain(model)


def _steady(config: Mapping[str, Any]) -> Any:
    """The config, without what would draw random numbers that no checkpoint knows."""
    found = configured(dict(config), "this model")
    for name, value in (("apply_spec_augment", False), ("layerdrop", 0.0), ("use_cache", False)):
        if hasattr(found, name):
            setattr(found, name, value)
    return found


def _plain(model: Any) -> Any:
    """Without a head that was made for another task, which nothing here asks."""
    pooler = getattr(model, "pooler", None)
    if pooler is not None and any(True for _ in pooler.parameters()):
        model.pooler = None
    return model


def body(model: Any, block: Block, normal: Normal, pool: Pool, padding: int) -> tuple[nn.Module, int]:
    """The part of a network that reads one block, and the width of its embedding."""
    import torch
    from torch import nn

    mean, deviation = normal

    class Body(nn.Module):
        learned = True

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            if block.form == "image":
                self.centered = centering(mean, deviation, (1, len(mean), 1, 1))

        def train(self, mode: bool = True) -> Body:  # noqa: FBT001, FBT002 - PyTorch's own signature
            """What does not learn at all answers as it will later: no unit is silent, and no mean moves."""
            super().train(mode)
            for module in self.model.modules():
                weights = list(module.parameters())
                if weights and not any(w.requires_grad for w in weights):
                    module.eval()
            return self

        def forward(self, x: Tensor) -> Tensor:
            if block.form == "tokens":
                codes = x.long()
                there = codes != padding
                states = self.model(input_ids=codes, attention_mask=there.long()).last_hidden_state
                if pool == "mean":
                    share = there.unsqueeze(-1).to(states.dtype)
                    whole: Tensor = (states * share).sum(1) / share.sum(1).clamp(min=1.0)
                    return whole
            elif block.form == "image":
                points = self.centered(x.reshape(-1, *block.shape))
                states = self.model(pixel_values=points).last_hidden_state
                if states.ndim == 4:
                    return torch.mean(states, (2, 3))
            else:
                states = self.model(input_values=x.reshape(-1, block.shape[0])).last_hidden_state
            found: Tensor = states[:, 0] if pool == "first" else states.mean(1)
            return found

    part = Body()
    part.eval()
    try:
        with torch.no_grad():
            width = part(torch.zeros(1, block.width)).shape[-1]
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(
            Fault(WHERE, f"its network cannot read a row of {block.shape}: {reason.rstrip('.')}.")
        ) from None
    return part, int(width)
