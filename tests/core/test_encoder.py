import numpy as np

from thirtyfold.core.encoder import Block, Encoder
from thirtyfold.core.fieldtype import Feature


def test_columns_that_belong_together_are_told_as_blocks():
    whole = Encoder(
        "vector",
        (
            Feature("photo", ("photo",), (), 0, (1, 2, 2), "image"),
            Feature("age", ("age", "age missing"), ()),
            Feature("plan", ("plan",), (), 3),
        ),
    )
    assert whole.layout == (Block("image", (1, 2, 2), "photo"), Block("vector", (3,)))
    assert whole.names == ("photo[0,0,0]", "photo[0,0,1]", "photo[0,1,0]", "photo[0,1,1]", "age", "age missing", "plan")
    assert whole.categories == (0, 0, 0, 0, 0, 0, 3)
    assert Encoder.from_json(whole.to_json()) == whole
    numbers = {"photo": np.arange(8.0).reshape(2, 1, 2, 2), "age": np.ones((2, 2)), "plan": np.array([0.0, 2.0])}
    rows = whole.encoded(numbers)
    assert rows.matrix[1].tolist() == [4, 5, 6, 7, 1, 1, 2] and rows.take(np.array([1])).blocks == whole.layout
    plain = Encoder("vector", (Feature("plan", ("plan",), (), 3),))
    assert plain.layout == () and plain.encoded(numbers).blocks == (Block("vector", (1,)),)
