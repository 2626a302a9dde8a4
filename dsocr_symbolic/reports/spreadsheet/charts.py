"""Charts of a workbook: bars that lie, stacked, with numbers as their cells show them."""

from typing import Any

from dsocr_symbolic.reports.spreadsheet.cells import SheetChart

_GREY, _PALE = "#595959", "#E3E6EC"


def make_chart(book: Any, chart: SheetChart, numbers: str) -> Any:
    """Make a chart; ``numbers`` is the format of the cells that it shows."""
    made = book.add_chart({"type": "bar", "subtype": "stacked"})
    for title, values, colour in chart.series:
        made.add_series(
            {
                "name": title,
                "categories": f"={chart.names}",
                "values": f"={values}",
                "fill": {"color": colour},
                "gap": 45,
            }
        )
    font = {"color": _GREY, "size": 9}
    made.set_title({"name": chart.title, "name_font": {"size": 12, "bold": True, "color": "#1F3864"}, "overlay": False})
    # Its lines go from the top down, as they stand in the table.
    made.set_y_axis({"reverse": True, "num_font": font, "line": {"color": _PALE}, "major_tick_mark": "none"})
    made.set_x_axis(
        {
            "num_format": numbers.replace("0.00", "0.0"),
            "num_font": font,
            "min": 0,
            "major_gridlines": {"visible": True, "line": {"color": _PALE}},
            "line": {"none": True},
            # The reversed axis has its numbers at the top otherwise.
            "label_position": "high",
        }
    )
    made.set_legend({"position": "bottom", "font": font} if len(chart.series) > 1 else {"none": True})
    made.set_chartarea({"border": {"color": _PALE}})
    made.set_size({"width": chart.width, "height": chart.height})
    return made
