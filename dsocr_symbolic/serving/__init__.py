"""The analytic-model API over HTTP, and the explorer as its front page."""
