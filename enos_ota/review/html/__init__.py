"""Review report as one self-contained HTML file."""

from enos_ota.review.html.page import render

__all__ = ["render"]
