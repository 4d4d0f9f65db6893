from typing import Any

import pytest

from thirtyfold.data.sources.sklearn import Sklearn


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine", "digits", "diabetes", "linnerud"])
def test_the_names_known_beforehand_are_the_library_s_own(name: Any) -> None:
    source = Sklearn(name)
    assert source.columns() == source.peek(1).columns
