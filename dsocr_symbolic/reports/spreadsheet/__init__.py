"""The model as a workbook whose cells are live formulas: change an input and everything recalculates."""
