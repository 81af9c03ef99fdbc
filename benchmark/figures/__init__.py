"""Figures: panels of single samples, scatters of qualities, precision-recall and ROC curves."""
