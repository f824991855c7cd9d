"""Fitting the learned gate from eval runs, and picking its threshold with a promise that it can keep."""
