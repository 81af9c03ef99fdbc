"""Anomaly score maps in files, written for other tools and read from other tools."""
