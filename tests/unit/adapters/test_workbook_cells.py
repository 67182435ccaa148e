"""Cells of workbooks as text, where formats differ."""

from spice_core.adapters.calamine.cells import cell_text, opendocument_text


def test_only_opendocument_keeps_durations_as_text():
    assert opendocument_text("PT255H10M10S") == "255:10:10"
    assert opendocument_text("PT4M13S") == "PT4M13S"
    assert opendocument_text(1.5) == "1.5"
    assert cell_text("PT1H2M3S") == "PT1H2M3S"
