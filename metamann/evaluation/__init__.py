"""Metrics, intervals, reports and plots of evaluation on held-out tasks."""
