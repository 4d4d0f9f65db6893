"""Lora: small matrices beside the large ones learn, and are folded into them at the end."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from thirtyfold.core.errors import Fault, MissingExtra, SpecError
from thirtyfold.core.family import nearest

if TYPE_CHECKING:
    from torch import nn

    from thirtyfold.learn.pretrained.levels import Levels

__all__ = ["Lora"]

WHERE = "model.pretrained.train.lora"


class Lora:
    """Beside each chosen matrix stand two thin ones whose product is added to it (Hu et al. 2021); only these learn."""

    def __init__(
        self,
        rank: Annotated[int, Field(ge=1, le=1024)] = 8,
        alpha: Annotated[float, Field(gt=0)] = 16.0,
        modules: Annotated[list[str], Field(min_length=1)] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        """Set the options.

        Args:
            rank: Columns of the thin matrices.
            alpha: Their product counts ``alpha / rank`` times.
            modules: Which parts of a layer, by how their names end (``query``, ``value``); by default every dense one.
            dropout: Share of the numbers that are silent on their way into the thin matrices.
        """
        self.rank, self.alpha, self.modules, self.dropout = rank, alpha, modules, dropout

    def apply(self, body: "nn.Module", levels: "Levels", seed: int) -> None:
        """Put the thin matrices beside; all else is held. Raises SpecError where no part has such a name."""
        import torch

        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ModuleNotFoundError:
            what = "LoRA needs peft, which is not installed: pip install 'thirtyfold[pretrained]'"
            raise MissingExtra(Fault(WHERE, what)) from None
        chosen = self._chosen(body, levels)
        turned = any(_turned(body.get_submodule(n)) for n in chosen)
        config = LoraConfig(
            r=self.rank, lora_alpha=self.alpha, target_modules=chosen, lora_dropout=self.dropout, bias="none",
            fan_in_fan_out=turned,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inject_adapter_in_model(config, body)
        for name, parameter in body.named_parameters():
            parameter.requires_grad_("lora_" in name)

    def merge(self, body: "nn.Module") -> None:
        """Add each product to its matrix, and put the plain matrix where it was."""
        from peft.tuners.lora import LoraLayer

        beside: dict[str, Any] = {n: m for n, m in body.named_modules() if isinstance(m, LoraLayer)}
        for name, module in beside.items():
            module.merge(safe_merge=False)
            body.set_submodule(name, module.get_base_layer())

    def _chosen(self, body: "nn.Module", levels: "Levels") -> list[str]:
        """The full names of the parts."""
        from torch import nn

        able = [n for n, m in body.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) or _turned(m)]
        if self.modules is None:
            found = [n for n in able if levels.within(n) and not isinstance(body.get_submodule(n), nn.Conv2d)]
            missing = [] if found else ["dense parts"]
        else:
            found = [n for n in able if any(n == m or n.endswith(f".{m}") for m in self.modules)]
            missing = [m for m in self.modules if not any(n == m or n.endswith(f".{m}") for n in able)]
        if missing:
            ends = sorted({n.rpartition(".")[2] for n in able if levels.within(n)})
            what = f"this network has no part called '{missing[0]}' that LoRA can stand beside."
            what = what if self.modules is not None else "this network has no dense parts in its layers: name some."
            raise SpecError(Fault(f"{WHERE}.modules", what, ", ".join(ends), nearest(missing[0], ends)))
        return found


def _turned(module: "nn.Module") -> bool:
    """Whether it is the dense part of GPT-2 and its kinds, which holds its matrix as (in, out)."""
    return type(module).__name__ == "Conv1D"
