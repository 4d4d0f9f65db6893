"""Numbers as people read them."""

from thirtyfold.core.charts import spread


def test_an_interval_without_width_tells_what_the_rows_can_tell():
    assert spread(0.91, 0.93, 500) == "95 % interval 0.91 to 0.93"
    assert "fewer than 3.00% of such rows" in spread(1.0, 1.0, 100)  # 3 / 100, Hanley and Lippman-Hand 1983
    assert "100.00%" in spread(1.0, 1.0, 2)
