"""Anomaly score maps that leave the benchmark as files, and maps of other programs that are judged here."""
