"""The reference pages are made from the code, and miss nothing."""

import importlib.util
import re
from pathlib import Path

from thirtyfold.core.evidence import NAMES
from thirtyfold.core.family import Family
from thirtyfold.core.spec import Spec

ROOT = Path(__file__).resolve().parent.parent
found = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
reference = importlib.util.module_from_spec(found)
found.loader.exec_module(reference)


def test_every_key_of_the_spec_is_described():
    page = reference.spec_page()
    for name in Spec.model_fields:
        assert f"| `{name}` |" in page
    assert "at least 0" in page and "## `tune`" in page


def test_every_member_of_every_family_is_described():
    page = reference.family_page()
    for path in {**reference.FAMILIES, **reference.OTHERS}.values():
        for word in Family(path).words():
            assert f"### `{word}`" in page
    assert "FieldInfo" not in page and "Annotated" not in page


def test_every_step_has_a_stage():
    page = reference.steps_page()
    for number, name in NAMES.items():
        assert re.search(rf"\| {number} \| {re.escape(name)} \| `\w+`", page)


def test_every_page_that_is_linked_is_there():
    nav = (ROOT / "mkdocs.yml").read_text()
    for page in re.findall(r": ([\w/-]+\.md)", nav):
        if not page.startswith("reference/"):
            assert (ROOT / "docs" / page).is_file(), page


def test_the_readme_names_commands_and_options_that_exist():
    from thirtyfold.cli import parser

    verbs = set(parser()._subparsers._group_actions[0].choices)
    text = (ROOT / "README.md").read_text()
    for verb in re.findall(r"^thirtyfold (\w+)", text, re.MULTILINE):
        assert verb in verbs
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1]
    import yaml

    from thirtyfold.plan import filled

    filled(Spec.of(yaml.safe_load(block)))
