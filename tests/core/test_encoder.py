import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from thirtyfold.core.encoder import FEW, Block, Encoder
from thirtyfold.core.fieldtype import Feature
from thirtyfold.core.transform import Clip, Fill, IsMissing, Log, OneHot, Scale


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


numbers = st.one_of(st.floats(-1e12, 1e12), st.just(float("nan")))
spans = st.tuples(st.floats(-1e6, 0), st.floats(0, 1e6))
links = st.one_of(
    st.builds(Fill, value=st.floats(-1e6, 1e6)),
    st.builds(lambda span: Clip(low=span[0], high=span[1]), spans),
    st.just(Log()),
    st.builds(Scale, center=st.floats(-1e6, 1e6), scale=st.floats(1e-6, 1e6)),
)


@given(st.lists(st.lists(links, max_size=4), min_size=1, max_size=12), st.data())
@settings(max_examples=60, deadline=None)
def test_one_row_is_encoded_to_the_same_bits_as_among_many(chains, data):
    names = ["a", "b", "c"]
    features = [Feature(data.draw(st.sampled_from(names)), (f"f{n}",), tuple(c)) for n, c in enumerate(chains)]
    features.insert(1, Feature("word", ("x", "y"), (OneHot(categories=("x", "y"), other=False),)))
    features.append(Feature("a", ("a:missing",), (IsMissing(),)))
    encoder = Encoder("vector", tuple(features))
    columns = {n: np.array(data.draw(st.lists(numbers, min_size=3, max_size=3))) for n in names}
    columns["word"] = np.array(["x", None, "y"], dtype=object)
    many = encoder.encode({n: np.resize(x, FEW + 5) for n, x in columns.items()})
    for rows in ([0], [1], [2], [2, 0, 1]):
        few = encoder.encode({n: x[rows] for n, x in columns.items()})
        assert few.tobytes() == many[rows].tobytes()
